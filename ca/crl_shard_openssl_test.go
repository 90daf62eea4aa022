package ca

import (
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"

	"github.com/postern-ca/postern/issuance"
)

// OpenSSL takes a shard for the certificates that name it, and for no others; and
// a full CRL that is not the newest with its delta.
func TestOpenSSLReadsShardsAndDeltas(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		house, store, now := newCRLHouse(t, crlKey(t, kind)), newCRLStore(), &crlClock{now: time.Now()}
		p := crlLoad(t, house, store, now)
		leaf := crlShardLeaf(t, house.issuing, "0100000013") // 3 of 16
		chain, file := crlPEM(t, "chain.pem", house.issuing.Certificate, house.root.Certificate), crlPEM(t, "leaf.pem", leaf)
		verify := func(what, want string, options []string, crls ...*CRL) {
			t.Helper()
			args := append([]string{"verify", "-crl_check", "-CAfile", chain, "-CRLfile", crlFile(t, "crls.pem", newBundle(crls))}, options...)
			out, ok := crlOpenSSL(t, append(args, file)...)
			if !strings.Contains(out, want) || ok != (want == ": OK") {
				t.Errorf("%s, %s: openssl verify said\n%swant %s", kind, what, out, want)
			}
		}
		deltas := []string{"-use_deltas"}
		shard, full := crlNamed(t, p, "issuing-1-3of16"), crlNamed(t, p, "issuing-1")
		verify("shard", ": OK", nil, shard)
		verify("another shard", "different CRL scope", nil, crlNamed(t, p, "issuing-1-4of16"))
		verify("shard of another number", "different CRL scope", nil, crlNamed(t, p, "issuing-1-1of2"))
		verify("full", ": OK", nil, full)

		crlChange(t, store, issuance.SerialOf(leaf.SerialNumber), issuance.Held, issuance.CertificateHold, now.Now().Truncate(time.Second), leaf.NotAfter)
		held := crlStep(t, p)
		verify("held, shard", "certificate revoked", nil, crlNamed(t, p, "issuing-1-3of16"))
		verify("held, full", "certificate revoked", nil, held)
		verify("held, full of before", ": OK", deltas, full)
		verify("held, full of before with delta", "certificate revoked", deltas, full, crlNamed(t, p, "issuing-1-delta"))

		crlChange(t, store, issuance.SerialOf(leaf.SerialNumber), issuance.Active, "", now.Now().Truncate(time.Second), leaf.NotAfter)
		crlStep(t, p)
		verify("released, shard", ": OK", nil, crlNamed(t, p, "issuing-1-3of16"))
		verify("released, full of before", "certificate revoked", deltas, held)
		verify("released, full of before with delta", ": OK", deltas, held, crlNamed(t, p, "issuing-1-delta"))

		for name, want := range map[string][]string{
			"issuing-1": {"X509v3 Freshest CRL", "URI:http://pki.example.com/pki/crl/issuing-1-delta.crl"},
			"issuing-1-3of16": {
				"X509v3 Issuing Distribution Point: critical", "URI:http://pki.example.com/pki/crl/issuing-1-3of16.crl", "Only User Certificates",
			},
			"issuing-1-delta": {"X509v3 Delta CRL Indicator: critical", "Remove From CRL"},
		} {
			path := crlFile(t, name+".crl", crlNamed(t, p, name))
			out, ok := crlOpenSSL(t, "crl", "-inform", "DER", "-in", path, "-CAfile", chain, "-verify", "-noout", "-text")
			if !ok || !strings.Contains(out, "verify OK") {
				t.Errorf("%s, %s: openssl crl said\n%s", kind, name, out)
			}
			for _, text := range want {
				if !strings.Contains(out, text) {
					t.Errorf("%s, %s: openssl crl does not print %q:\n%s", kind, name, text, out)
				}
			}
		}
	}
}

// crlShardLeaf is a certificate that names its shard of sixteen.
func crlShardLeaf(t *testing.T, issuing Issuer, serial issuance.Serial) *x509.Certificate {
	t.Helper()
	n := shardOf(serial.Int().Bytes(), 16)
	template := &x509.Certificate{
		SerialNumber: serial.Int(), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(2, 0, 0),
		CRLDistributionPoints: []string{crlURLs().CRL(shardName(issuing.ID, n, 16))},
	}
	template.Subject.CommonName = "payments"
	der, err := x509.CreateCertificate(rand.Reader, template, issuing.Certificate, crlKey(t, "P-256").Public(), issuing.Signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestLintFindsNothingInShardsAndDeltas(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "RSA-2048"} {
		house, store, now := newCRLHouse(t, crlKey(t, kind)), newCRLStore(), &crlClock{now: crlStart}
		later := crlStart.AddDate(2, 0, 0)
		crlChange(t, store, "05", issuance.Held, issuance.CertificateHold, crlStart, later)
		p := crlLoad(t, house, store, now)
		crlChange(t, store, "05", issuance.Active, "", crlStart, later)
		crlChange(t, store, "15", issuance.Revoked, issuance.KeyCompromise, crlStart, later)
		crlStep(t, p)
		for _, name := range []string{"issuing-1", "issuing-1-5of16", "issuing-1-6of16", "issuing-1-delta"} {
			list, err := zx509.ParseRevocationList(crlBytes(t, crlNamed(t, p, name)))
			if err != nil {
				t.Fatal(err)
			}
			crlFindings(t, kind+", "+name, zlint.LintRevocationListEx(list, crlLints(t)))
		}
	}
}
