package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// revoked is what the API answers to a revocation, and shows of a certificate.
type revoked struct {
	Serial, Status, Reason string
	AlsoRevoked            []revoked `json:"also_revoked"`
	Ancestry               []struct {
		Serial string
		ByKey  bool `json:"by_key"`
	}
}

func (h *estHouse) revokeAs(cert *x509.Certificate, reason issuance.Reason) (r revoked) {
	h.t.Helper()
	must(h.t, h.api(h.t.Context(), http.MethodPost, "/certificates/"+serialOf(cert)+"/revoke", map[string]string{"reason": string(reason)}, &r))
	return r
}

func serialOf(cert *x509.Certificate) string { return fmt.Sprintf("%034x", cert.SerialNumber) }

// entry returns what openssl reads of cert in the bundle of CRLs.
func (h *estHouse) entry(cert *x509.Certificate) string {
	h.t.Helper()
	h.run("curl", "-sS", "--max-time", "20", "-o", "bundle.pem", h.h.cfg.Plain.URL+"/pki/crl-bundle.pem")
	_, after, _ := strings.Cut(string(h.run("openssl", "crl", "-in", "bundle.pem", "-noout", "-text")), "Serial Number: "+strings.ToUpper(serialOf(cert)))
	before, _, _ := strings.Cut(after, "Serial Number: ")
	return before
}

// TestACompromiseFollowsTheThief: with a stolen key a certificate for the thief's own
// was obtained, and with that one another. Revoking the stolen one ends all three.
func TestACompromiseFollowsTheThief(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	first := h.enroll("first")
	chain := []*x509.Certificate{first}
	for i, name := range []string{"thief", "again"} {
		old := []string{"first", "thief"}[i]
		h.successor(name, old+".pem")
		got := h.certificates(h.curl(simpleReenroll, name+".csr", "--cert", old+".pem", "--key", old+".key"))[0]
		h.write(name+".pem", pemOf(got.Raw))
		h.wantIn(name)
		chain = append(chain, got)
	}
	var shown revoked
	must(t, h.api(t.Context(), http.MethodGet, "/certificates/"+serialOf(chain[2]), nil, &shown))
	if a := shown.Ancestry; len(a) != 2 || a[0].Serial != serialOf(chain[1]) || a[1].Serial != serialOf(first) || !a[0].ByKey || !a[1].ByKey {
		t.Errorf("the ancestry is %+v", a)
	}

	answer := h.revokeAs(first, issuance.KeyCompromise)
	also := []string{}
	for _, c := range answer.AlsoRevoked {
		also = append(also, c.Serial+" "+c.Status+" "+c.Reason)
	}
	want := []string{serialOf(chain[1]) + " revoked keyCompromise", serialOf(chain[2]) + " revoked keyCompromise"}
	slices.Sort(also)
	slices.Sort(want)
	if diff := cmp.Diff(want, also); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
	for i, name := range []string{"first", "thief", "again"} {
		if r := h.curl("/whoami", "", "--cert", name+".pem", "--key", name+".key"); r.status == http.StatusOK {
			t.Errorf("%s is still let in: %s", name, r.body)
		}
		eventually(t, name+" in the CRL", func() bool { return strings.Contains(h.entry(chain[i]), "Key Compromise") })
	}
	mail, err := h.message(t.Context(), issuance.Mail, serialOf(chain[2]))
	must(t, err)
	if text := fmt.Sprint(mail); !strings.Contains(text, serialOf(chain[1])) {
		t.Errorf("the mail does not list all: %s", text)
	}
	token, code := h.invite()
	h.refused("the thief's key, once more", h.curl(simpleEnroll, "again.csr", "-u", token+":"+code), http.StatusBadRequest, "revoked as compromised")
}

// TestAModulusIsTheKey: whoever knows its factors has the private key for any exponent.
// And a certificate that was superseded turns out to have been compromised.
func TestAModulusIsTheKey(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	enroll := func(name string, key *rsa.PrivateKey) reply {
		t.Helper()
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "any"}}, key)
		must(t, err)
		h.write(name+".csr", der)
		token, code := h.invite()
		return h.curl(simpleEnroll, name+".csr", "-u", token+":"+code)
	}
	cert := h.certificates(enroll("first", key))[0]
	h.revokeAs(cert, issuance.Superseded)
	eventually(t, "superseded in the CRL", func() bool { return strings.Contains(h.entry(cert), "Superseded") })
	before := h.entry(cert)
	if got := h.revokeAs(cert, issuance.KeyCompromise); got.Reason != string(issuance.KeyCompromise) {
		t.Errorf("corrected: %+v", got)
	}
	worse := strings.Replace(before, "Superseded", "Key Compromise", 1)
	eventually(t, "the new reason in the CRL, under the old date", func() bool { return entryText(h.entry(cert)) == entryText(worse) })

	totient := new(big.Int).Mul(new(big.Int).Sub(key.Primes[0], big.NewInt(1)), new(big.Int).Sub(key.Primes[1], big.NewInt(1)))
	other := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: key.N, E: 65539}, Primes: key.Primes}
	for other.D = new(big.Int).ModInverse(big.NewInt(int64(other.E)), totient); other.D == nil; other.E += 2 {
		other.D = new(big.Int).ModInverse(big.NewInt(int64(other.E+2)), totient)
	}
	other.Precompute()
	h.refused("the same modulus", enroll("other", other), http.StatusBadRequest, "revoked as compromised")
}

// entryText is an entry without what follows the last one.
func entryText(s string) string {
	s, _, _ = strings.Cut(s, "Signature Algorithm")
	return strings.Join(strings.Fields(s), " ")
}
