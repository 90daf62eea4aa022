package storagetest

import (
	"cmp"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-ca/postern/issuance"
)

// testNeeds: what a certificate needs, and until when it lasts, are lists by NotAfter.
func testNeeds(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	superseded := func(c *issuance.Certificate) { c.Used, c.Succession = true, issuance.SuccessorUsed }
	putCertificates(t, s,
		certificate(1, nil),
		certificate(2, func(c *issuance.Certificate) { c.Used, c.Organization = true, "zeta" }),
		certificate(3, func(c *issuance.Certificate) { c.Status = issuance.Held }),
		certificate(4, func(c *issuance.Certificate) { c.Used, c.Succession = true, issuance.SuccessorIssued }),
		certificate(5, superseded),
		certificate(6, func(c *issuance.Certificate) { superseded(c); c.Status = issuance.Held }),
		certificate(7, func(c *issuance.Certificate) { superseded(c); c.Status = issuance.Revoked }),
		certificate(8, func(c *issuance.Certificate) { c.Status = issuance.Abandoned }),
	)
	from, before := after(996*time.Hour), after(998*time.Hour) // numbers 4 and 3, and not 2
	for range 2 {
		for _, test := range []struct {
			name string
			q    issuance.CertificateQuery
			want []string
		}{
			{"a successor", issuance.CertificateQuery{Need: issuance.SuccessorNeed}, []string{"00003", "00002", "00001"}},
			{"to be revoked", issuance.CertificateQuery{Need: issuance.RevocationNeed}, []string{"00006", "00005"}},
			{"use", issuance.CertificateQuery{Need: issuance.UseNeed}, []string{"00001"}},
			{"a decision", issuance.CertificateQuery{Need: issuance.DecisionNeed}, []string{"00006", "00003"}},
			{"of an organisation", issuance.CertificateQuery{Need: issuance.SuccessorNeed, Organization: "zeta"}, []string{"00002"}},
			{"of a status", issuance.CertificateQuery{Need: issuance.RevocationNeed, Status: issuance.Held}, []string{"00006"}},
			{
				"from a time on",
				issuance.CertificateQuery{Need: issuance.SuccessorNeed, ExpiresFrom: after(998 * time.Hour)},
				[]string{"00002", "00001"},
			},
			{"until a time", issuance.CertificateQuery{Need: issuance.SuccessorNeed, ExpiresBefore: before}, []string{"00003"}},
			{"all between two times", issuance.CertificateQuery{ExpiresFrom: from, ExpiresBefore: before}, []string{"00004", "00003"}},
			{"all from a time on", issuance.CertificateQuery{ExpiresFrom: after(998*time.Hour + 1)}, []string{"00001"}},
			{"held from a time on", issuance.CertificateQuery{ExpiresFrom: start(), Status: issuance.Held}, []string{"00006", "00003"}},
			{"issued before a time", issuance.CertificateQuery{
				Need:         issuance.SuccessorNeed,
				IssuedBefore: certificate(3, nil).IssuedAt,
			}, []string{"00002", "00001"}},
			{
				"all issued before a time",
				issuance.CertificateQuery{IssuedBefore: certificate(3, nil).IssuedAt},
				[]string{"00002", "00001"},
			},
			{"a need that is none", issuance.CertificateQuery{Need: "nothing"}, []string{}},
		} {
			same(t, test.name, test.want, listCertificates(t, s, test.q))
		}
		s = open()
	}
	putCertificates(t, s, certificate(1, func(c *issuance.Certificate) { c.Used = true; c.Succession = issuance.SuccessorIssued }))
	same(t, "one that needs nothing any more", []string{"00003", "00002"},
		listCertificates(t, s, issuance.CertificateQuery{Need: issuance.SuccessorNeed}))
	same(t, "one that is used", []string{}, listCertificates(t, s, issuance.CertificateQuery{Need: issuance.UseNeed}))
}

// testTotals puts certificates again and again, some in Updates that fail, and
// counts them by looking at each.
func testTotals(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	all := make(map[issuance.Serial]issuance.Certificate)
	rapid.Check(t, func(rt *rapid.T) {
		var put []issuance.Certificate
		for range rapid.IntRange(1, 20).Draw(rt, "n") {
			put = append(put, certificate(rapid.IntRange(0, 30).Draw(rt, "i"), func(c *issuance.Certificate) {
				c.Status = pick(rt, "status", issuance.Abandoned, issuance.Active, issuance.Held, issuance.Revoked)
				c.NotAfter = start().Truncate(time.Hour).Add(time.Duration(rapid.IntRange(-150, 150).Draw(rt, "minutes")) * time.Minute)
			}))
		}
		fails := rapid.Bool().Draw(rt, "fails")
		err := s.Update(rt.Context(), func(tx Tx) error {
			for _, c := range put {
				if err := tx.PutCertificate(c); err != nil {
					return err
				}
			}
			if fails {
				return errNo
			}
			return nil
		})
		if !fails {
			if err != nil {
				rt.Fatal(err)
			}
			for _, c := range put {
				all[c.Serial] = c
			}
		}
		now := start().Add(time.Duration(rapid.IntRange(-200, 200).Draw(rt, "now")) * time.Minute)
		var want issuance.Totals
		for _, c := range all {
			past := c.NotAfter.Before(now.Truncate(time.Hour))
			switch {
			case c.Status == issuance.Revoked:
				want.Revoked++
			case c.Status == issuance.Abandoned:
			case past:
				want.Expired++
			case c.Status == issuance.Held:
				want.Held++
			default:
				want.Active++
			}
		}
		same(rt, "totals", want, read(rt, s, func(tx Reader) (issuance.Totals, error) { return tx.Totals(now) }))
	})
	count := func() issuance.Totals {
		return read(t, s, func(tx Reader) (issuance.Totals, error) { return tx.Totals(start()) })
	}
	want := count()
	s = open()
	same(t, "after opening again", want, count())
}

// errNo ends an Update.
var errNo = errors.New("no")

// testRefusals lists uses that were refused, the last first.
func testRefusals(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	put := func(i, minute int, refused uint64) {
		update(t, s, func(tx Tx) error {
			u := issuance.Usage{Serial: issuance.Serial(name("serial", i)), Count: 1, First: start(), Last: start(), Refused: refused}
			if refused > 0 {
				u.RefusedLast = after(time.Duration(minute) * time.Minute)
			}
			return tx.PutUsage(u)
		})
	}
	list := func(from time.Time) []string {
		return ids(collect(t, s, 2, func(tx Reader, p issuance.Page) ([]issuance.Usage, string, error) {
			return tx.Usages(issuance.UsageQuery{RefusedFrom: from, Page: p})
		}), func(u issuance.Usage) string { return string(u.Serial)[6:] })
	}
	same(t, "none", []string{}, list(time.Time{}))
	put(1, 1, 1)
	put(2, 0, 0)
	put(3, 3, 3)
	put(4, 2, 1)
	put(5, 2, 1)
	same(t, "all", []string{"00003", "00005", "00004", "00001"}, list(time.Time{}))
	same(t, "from a time on", []string{"00003", "00005", "00004"}, list(after(2*time.Minute)))
	same(t, "later than that", []string{"00003"}, list(after(2*time.Minute+1)))
	same(t, "never", []string{}, list(after(time.Hour)))
	put(1, 9, 2)
	put(2, 8, 1)
	same(t, "after more", []string{"00001", "00002", "00003", "00005", "00004"}, list(time.Time{}))
}

// testAuditByVerb: records of a verb are listed by their time, whichever order
// they were written in, and counted.
func testAuditByVerb(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	type made struct {
		minute int
		verb   issuance.Verb
		org    issuance.OrgID
	}
	for _, m := range []made{
		{5, issuance.IssueVerb, "acme"},
		{1, issuance.IssueVerb, "zeta"},
		{3, issuance.IssueVerb, "acme"},
		{3, issuance.IssueVerb, "acme"},
		{2, issuance.RevokeVerb, "acme"},
		{3, issuance.ReportVerb, ""},
		{4, "issued", "acme"},
		{9, issuance.IssueVerb, "acm"},
	} {
		update(t, s, func(tx Tx) error {
			return tx.AppendAudit(issuance.AuditRecord{
				At: after(time.Duration(m.minute) * time.Minute), Verb: m.verb, Organization: m.org,
				Order: issuance.OrderID("o" + m.org),
			})
		})
	}
	minute := func(n int) time.Time { return after(time.Duration(n) * time.Minute) }
	list := func(q issuance.AuditQuery) []string {
		return ids(collect(t, s, 2, func(tx Reader, p issuance.Page) ([]issuance.AuditRecord, string, error) {
			q.Page = p
			return tx.Audit(q)
		}), func(r issuance.AuditRecord) string { return fmt.Sprint(r.Seq) })
	}
	for range 2 {
		same(t, "issue", []string{"2", "3", "4", "1", "8"}, list(issuance.AuditQuery{Verb: issuance.IssueVerb}))
		same(t, "between two times", []string{"3", "4"}, list(issuance.AuditQuery{
			Verb: issuance.IssueVerb, From: minute(3), Before: minute(5),
		}))
		same(t, "from a time on", []string{"1", "8"}, list(issuance.AuditQuery{Verb: issuance.IssueVerb, From: minute(3).Add(1)}))
		same(t, "until a time", []string{"2"}, list(issuance.AuditQuery{Verb: issuance.IssueVerb, Before: minute(3)}))
		same(t, "of an order", []string{"2"}, list(issuance.AuditQuery{Verb: issuance.IssueVerb, Order: "ozeta"}))
		same(t, "what was never done", []string{}, list(issuance.AuditQuery{Verb: "is"}))
		tally := func(from, to time.Time) []issuance.Tally {
			return read(t, s, func(tx Reader) ([]issuance.Tally, error) { return tx.Tally(from, to) })
		}
		same(t, "tally of all", []issuance.Tally{
			{Verb: issuance.IssueVerb, Organization: "acm", Count: 1},
			{Verb: issuance.IssueVerb, Organization: "acme", Count: 3},
			{Verb: issuance.IssueVerb, Organization: "zeta", Count: 1},
			{Verb: "issued", Organization: "acme", Count: 1},
			{Verb: issuance.ReportVerb, Count: 1},
			{Verb: issuance.RevokeVerb, Organization: "acme", Count: 1},
		}, tally(time.Time{}, minute(100)))
		same(t, "tally between two times", []issuance.Tally{
			{Verb: issuance.IssueVerb, Organization: "acme", Count: 2},
			{Verb: "issued", Organization: "acme", Count: 1},
			{Verb: issuance.ReportVerb, Count: 1},
		}, tally(minute(3), minute(5)))
		same(t, "tally of nothing", 0, len(tally(minute(10), minute(20))))
		s = open()
	}
}

// askNeeds compares lists of certificates that need something with the model's.
func (w *world) askNeeds(rt *rapid.T) {
	q := issuance.CertificateQuery{
		Need:         pick(rt, "need", "", issuance.SuccessorNeed, issuance.RevocationNeed, issuance.UseNeed, issuance.DecisionNeed),
		Organization: w.org(rt),
		ExpiresFrom:  instant(rt, "expires from"), ExpiresBefore: instant(rt, "expires before"),
		IssuedBefore: instant(rt, "issued before"),
	}
	want := scan(w.certificates, func(c issuance.Certificate) bool {
		return c.Status != issuance.Abandoned && c.Organization == q.Organization && (q.Need == "" || c.Needs(q.Need)) &&
			!c.NotAfter.Before(q.ExpiresFrom) && c.NotAfter.Before(q.ExpiresBefore) && c.IssuedAt.Before(q.IssuedBefore)
	}, func(a, b issuance.Certificate) int {
		return cmp.Or(a.NotAfter.Compare(b.NotAfter), a.IssuedAt.Compare(b.IssuedAt), cmp.Compare(a.Serial, b.Serial))
	})
	compareLists(rt, w.s, "certificates in need", want, func(tx Reader, p issuance.Page) ([]issuance.Certificate, string, error) {
		q.Page = p
		return tx.Certificates(q)
	})
}
