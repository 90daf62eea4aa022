package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/ca/lint"
	"github.com/postern-ca/postern/issuance"
)

// authorityLinted opens a hierarchy whose refusals are collected.
func authorityLinted(t *testing.T, refused *[]string) *Authority {
	t.Helper()
	o := authorityOpenOptions(authorityNew(t).dir)
	o.Validity, o.Backdate = issuance.Period{Years: 2}, time.Hour
	o.Refused = func(r *lint.Refusal) { *refused = append(*refused, string(r.Kind)+": "+r.Lint) }
	return authorityOpen(t, o)
}

// TestEverySignatureIsLinted spoils what each signer of the house is given: client and
// server certificates, the OCSP responder's, CRLs, and what Create makes.
func TestEverySignatureIsLinted(t *testing.T) {
	var refused []string
	a := authorityLinted(t, &refused)
	want := func(err error, what string) {
		t.Helper()
		if _, is := errors.AsType[*lint.Refusal](err); !is || !strings.Contains(err.Error(), strings.Split(what, ": ")[1]) {
			t.Errorf("got %v, want a refusal, %s", err, what)
		}
		if n := len(refused); n == 0 || refused[n-1] != what {
			t.Errorf("told of %v, want %s", refused, what)
		}
	}
	p := authorityProfile(authorityKey(t, issuance.P256).Public())
	p.NotAfter = p.NotAfter.Add(time.Second)
	_, err := a.Sign(t.Context(), p)
	want(err, "client certificate: profile_validity_length")
	_, err = a.ServerCertificate(t.Context(), ServerProfile{Names: []string{"certs.example.com"}, Validity: 500 * 24 * time.Hour})
	want(err, "server certificate: profile_validity_length")

	issuer := a.Issuers()[0]
	other := *issuer.Certificate
	other.Subject.Organization = []string{" "}
	foreign := issuer
	foreign.Certificate = &other
	_, err = newOCSPIssuer(foreign, authorityStart(), nil)
	want(err, "OCSP responder's certificate: profile_subject_characters")

	clock := &crlClock{now: authorityStart()}
	crl := &Publisher{
		Store: newCRLStore(), Issuers: a.Issuers(), RootCRL: a.RootCRL, Lifetime: 40 * 24 * time.Hour, Now: clock.Now, Log: slog.New(slog.DiscardHandler),
	}
	want(crl.Load(t.Context()), "CRL: profile_validity_length")

	key, err := guardRoot(authorityKeyOf(t, a, issuer), issuer.Certificate, authorityDomain, URLs{})
	if err != nil {
		t.Fatal(err)
	}
	for _, signer := range []crypto.Signer{issuer.Signer, key} {
		if _, err := signer.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err == nil {
			t.Error("a bare hash was signed")
		}
		template := authorityBareTemplate()
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		if _, err := x509.CreateCertificate(rand.Reader, template, issuer.Certificate, p.Key, signer); err == nil {
			t.Error("a certificate that no profile describes was signed")
		}
	}
}

// TestCreateIsLinted: what is made of a name that no certificate may have is nothing.
func TestCreateIsLinted(t *testing.T) {
	o := authorityCreateOptions(t.TempDir())
	o.OrganizationName = "Example Bank " // passes our first look
	err := Create(o)
	if r, is := errors.AsType[*lint.Refusal](err); !is || r.Kind != lint.Root || r.Lint != "profile_subject_characters" {
		t.Errorf("got %v, want a refusal of the root", err)
	}
	files, err := os.ReadDir(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != creatingFile {
			t.Errorf("%s was written", f.Name())
		}
	}
}
