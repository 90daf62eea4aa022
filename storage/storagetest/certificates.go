package storagetest

import (
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// certificate returns the i-th certificate, issued i minutes after the start
// and expiring the sooner the later it was issued.
func certificate(i int, change func(*issuance.Certificate)) issuance.Certificate {
	c := issuance.Certificate{
		Serial: issuance.Serial(name("serial", i)), Status: issuance.Active, Order: "order1", Organization: "acme",
		Service: "acme.payments",
		Contact: "contact1", Issuer: "issuing-1", IssuedAt: after(time.Duration(i) * time.Minute),
		NotBefore: start(), NotAfter: after(time.Duration(1000-i) * time.Hour), Key: issuance.P256, DER: []byte{0x30, 0, 0xff},
	}
	if change != nil {
		change(&c)
	}
	return c
}

func putCertificates(t testing.TB, s Store, certificates ...issuance.Certificate) {
	t.Helper()
	update(t, s, func(tx Tx) error {
		for _, c := range certificates {
			if err := tx.PutCertificate(c); err != nil {
				return err
			}
		}
		return nil
	})
}

func listCertificates(t testing.TB, s Store, q issuance.CertificateQuery) []string {
	t.Helper()
	return ids(collect(t, s, 2, func(tx Reader, p issuance.Page) ([]issuance.Certificate, string, error) {
		q.Page = p
		return tx.Certificates(q)
	}), func(c issuance.Certificate) string { return string(c.Serial)[6:] })
}

func someCertificates() []issuance.Certificate {
	return []issuance.Certificate{
		certificate(1, func(c *issuance.Certificate) {
			c.Fingerprint, c.FromCSR, c.Renews, c.Reason, c.Comment = "ff", true, "aa", issuance.Superseded, "x"
			c.ChangedAt, c.ChangedBy = after(1), issuance.System("test")
		}),
		certificate(2, func(c *issuance.Certificate) { c.Status, c.Order = issuance.Revoked, "order2" }),
		certificate(3, func(c *issuance.Certificate) { c.Status, c.Organization, c.Service = issuance.Held, "zeta", "zeta.x" }),
		certificate(4, func(c *issuance.Certificate) {
			c.Status, c.IssuedAt, c.NotAfter, c.DER = issuance.Abandoned, time.Time{}, time.Time{}, nil
		}),
		certificate(5, func(c *issuance.Certificate) { c.Status = issuance.Abandoned }),
		certificate(6, func(c *issuance.Certificate) { c.Organization, c.Service = "zeta", "zeta.x" }),
	}
}

func testCertificates(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	all := someCertificates()
	putCertificates(t, s, all...)
	same(t, "Certificate", all[0], read(t, s, func(tx Reader) (issuance.Certificate, error) {
		return tx.Certificate(all[0].Serial)
	}))
	for _, test := range []struct {
		name string
		q    issuance.CertificateQuery
		want []string
	}{
		{"all", issuance.CertificateQuery{}, []string{"00006", "00003", "00002", "00001"}},
		{"active", issuance.CertificateQuery{Status: issuance.Active}, []string{"00006", "00001"}},
		{"held", issuance.CertificateQuery{Status: issuance.Held}, []string{"00003"}},
		{"abandoned", issuance.CertificateQuery{Status: issuance.Abandoned}, []string{"00005", "00004"}},
		{
			"abandoned, of an organisation",
			issuance.CertificateQuery{Status: issuance.Abandoned, Organization: "acme"},
			[]string{"00005", "00004"},
		},
		{"abandoned, of another", issuance.CertificateQuery{Status: issuance.Abandoned, Organization: "zeta"}, []string{}},
		{"organisation", issuance.CertificateQuery{Organization: "acme"}, []string{"00002", "00001"}},
		{"service", issuance.CertificateQuery{Service: "zeta.x"}, []string{"00006", "00003"}},
		{"order", issuance.CertificateQuery{Order: "order2"}, []string{"00002"}},
		{
			"all four",
			issuance.CertificateQuery{Status: issuance.Held, Organization: "zeta", Service: "zeta.x", Order: "order1"},
			[]string{"00003"},
		},
		{
			"four that never meet",
			issuance.CertificateQuery{Status: issuance.Held, Organization: "acme", Service: "zeta.x", Order: "order1"},
			[]string{},
		},
	} {
		same(t, test.name, test.want, listCertificates(t, s, test.q))
	}

	// Lists follow the status.
	putCertificates(t, s, certificate(4, nil))
	same(t, "after issue", []string{"00006", "00004", "00003", "00002", "00001"},
		listCertificates(t, s, issuance.CertificateQuery{}))
	same(t, "no more abandoned", []string{"00005"}, listCertificates(t, s, issuance.CertificateQuery{Status: issuance.Abandoned}))
	putCertificates(t, s, certificate(4, func(c *issuance.Certificate) { c.Status = issuance.Revoked }))
	same(t, "revoked", []string{"00004", "00002"}, listCertificates(t, s, issuance.CertificateQuery{Status: issuance.Revoked}))
	same(t, "no more active", []string{"00006", "00001"}, listCertificates(t, s, issuance.CertificateQuery{Status: issuance.Active}))
}

func testCertificatesByExpiry(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	putCertificates(t, s, someCertificates()...)
	for _, test := range []struct {
		name string
		q    issuance.CertificateQuery
		want []string
	}{
		{
			"all, the earliest first",
			issuance.CertificateQuery{ExpiresBefore: after(2000 * time.Hour)},
			[]string{"00006", "00003", "00002", "00001"},
		},
		{"exactly at the time is not before it", issuance.CertificateQuery{ExpiresBefore: after(997 * time.Hour)}, []string{"00006"}},
		{"a nanosecond later it is", issuance.CertificateQuery{ExpiresBefore: after(997*time.Hour + 1)}, []string{"00006", "00003"}},
		{
			"active",
			issuance.CertificateQuery{ExpiresBefore: after(2000 * time.Hour), Status: issuance.Active},
			[]string{"00006", "00001"},
		},
		{
			"organisation",
			issuance.CertificateQuery{ExpiresBefore: after(2000 * time.Hour), Organization: "acme"},
			[]string{"00002", "00001"},
		},
		{
			"service and status",
			issuance.CertificateQuery{ExpiresBefore: after(2000 * time.Hour), Service: "zeta.x", Status: issuance.Held},
			[]string{"00003"},
		},
		{"order", issuance.CertificateQuery{ExpiresBefore: after(2000 * time.Hour), Order: "order2"}, []string{"00002"}},
		{"abandoned", issuance.CertificateQuery{ExpiresBefore: after(2000 * time.Hour), Status: issuance.Abandoned}, []string{}},
	} {
		same(t, test.name, test.want, listCertificates(t, s, test.q))
	}
}
