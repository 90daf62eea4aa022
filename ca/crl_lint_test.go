package ca

import (
	"math/big"
	"slices"
	"testing"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/issuance"
)

// crlLints are the lints for what a private CA signs.
func crlLints(t *testing.T) lint.Registry {
	t.Helper()
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC6960, lint.RFC8813, lint.Community},
	})
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

// There are no exceptions to this: not one finding, not even a notice.
func TestLintFindsNothing(t *testing.T) {
	registry := crlLints(t)
	for _, kind := range []string{"P-256", "P-384", "RSA-2048"} {
		house, store, now := newCRLHouse(t, crlKey(t, kind)), newCRLStore(), &crlClock{now: crlStart}
		for i, reason := range append(issuance.Reasons(), issuance.CertificateHold) {
			status := issuance.Revoked
			if reason == issuance.CertificateHold {
				status = issuance.Held
			}
			crlChange(t, store, issuance.SerialOf(big.NewInt(int64(i)+1)), status, reason, crlStart, crlStart.AddDate(2, 0, 0))
		}
		r, p := ocspResponder(t, house, store, now)
		c, err := p.CRL("issuing-1")
		if err != nil {
			t.Fatal(err)
		}
		list, err := zx509.ParseRevocationList(crlBytes(t, c))
		if err != nil {
			t.Fatal(err)
		}
		crlFindings(t, kind+", CRL", zlint.LintRevocationListEx(list, registry))
		delegate, err := zx509.ParseCertificate(r.issuers[0].present.Load().certificate.Raw)
		if err != nil {
			t.Fatal(err)
		}
		crlFindings(t, kind+", OCSP responder", zlint.LintCertificateEx(delegate, registry))
		request := ocspRequest(t, house.issuing.Certificate, issuance.SerialOf(big.NewInt(1)), ocspSHA256.algorithm())
		answer, err := ocsp.ParseResponse(r.Respond(t.Context(), request).DER, house.issuing.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		crlFindings(t, kind+", OCSP answer", zlint.LintOcspResponseEx(answer, registry))
	}
}

func crlFindings(t *testing.T, what string, results *zlint.ResultSet) {
	t.Helper()
	if len(results.Results) == 0 {
		t.Errorf("%s: not linted", what)
	}
	bad := []lint.LintStatus{lint.Notice, lint.Warn, lint.Error, lint.Fatal}
	n := 0
	for name, result := range results.Results {
		if result.Status == lint.Pass {
			n++
		}
		if slices.Contains(bad, result.Status) {
			t.Errorf("%s: %s says %v %s", what, name, result.Status, result.Details)
		}
	}
	t.Logf("%s: %d lints passed", what, n)
}
