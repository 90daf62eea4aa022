package ca

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// TestADistinctSubjectIsPrintedAndLetIn has OpenSSL, Java and nginx's way of printing a
// subject show the attribute by its name, and our own listener let its client in.
func TestADistinctSubjectIsPrintedAndLetIn(t *testing.T) {
	g := newAuthorityGate(t)
	key := authorityKey(t, issuance.P256)
	p := authorityProfile(key.Public())
	plain := authoritySign(t, g.authority, p)
	p.Serial, p.Distinction = issuance.NewSerial(), "acme-2.payments"
	cert := authoritySign(t, g.authority, p)
	if string(plain.RawSubject) == string(cert.RawSubject) {
		t.Fatal("the two have one subject")
	}
	g.register.put(cert, issuance.Active)
	if _, err := g.clients.Check(t.Context(), cert); err != nil {
		t.Errorf("it is not let in: %v", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	file := filepath.Join(t.TempDir(), "client.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	subject := func(form ...string) string {
		return authorityRun(t, text, "openssl", append([]string{"x509", "-noout", "-subject"}, form...)...)
	}
	for _, c := range []struct{ want, got string }{
		{"O = Acme Pharma SA, CN = payments-prod, serialNumber = acme-2.payments", subject()},
		// As nginx ($ssl_client_s_dn), Apache and HAProxy print it.
		{"serialNumber=acme-2.payments,CN=payments-prod,O=Acme Pharma SA", subject("-nameopt", "RFC2253")},
		{"/O=Acme Pharma SA/CN=payments-prod/serialNumber=acme-2.payments", subject("-nameopt", "compat")},
		{"SERIALNUMBER=acme-2.payments, CN=payments-prod, O=Acme Pharma SA", authorityRun(t, nil, "keytool", "-printcert", "-file", file)},
		{"SERIALNUMBER=acme-2.payments,CN=payments-prod,O=Acme Pharma SA", cert.Subject.String()},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	p.Serial, p.Distinction = issuance.NewSerial(), "größe"
	if _, err := g.authority.Sign(t.Context(), p); err == nil || !strings.Contains(err.Error(), "profile_subject_encoding") {
		t.Errorf("what no serialNumber can have: got %v", err)
	}
}
