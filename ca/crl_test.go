package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// crlStart is when the tests' clocks start.
var crlStart = time.Date(2026, 11, 3, 10, 20, 30, 0, time.UTC)

// crlHouse is a root and one issuing CA that lasts from long before crlStart to long after.
type crlHouse struct {
	root, issuing Issuer
	rootCRL       []byte
}

func newCRLHouse(t testing.TB, key crypto.Signer) crlHouse {
	t.Helper()
	rootKey := crlKey(t, "P-384")
	root := crlCertify(t, Issuer{}, Issuer{ID: RootID, Signer: rootKey}, "Test root")
	issuing := crlCertify(t, root, Issuer{ID: "issuing-1", Signer: key}, "Test issuing CA 1")
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: issuance.NewSerial().Int().SetInt64(1), ThisUpdate: crlStart.AddDate(-30, 0, 0), NextUpdate: crlStart.AddDate(30, 0, 0),
	}, root.Certificate, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	return crlHouse{root: root, issuing: issuing, rootCRL: list}
}

// crlKey makes a key of the named kind.
func crlKey(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "P-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "P-521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "RSA-2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "Ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no key kind %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// crlCertify gives issuer a CA certificate by parent; its own if parent is zero.
func crlCertify(t testing.TB, parent, issuer Issuer, name string) Issuer {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: issuance.NewSerial().Int(), Subject: pkix.Name{Organization: []string{"Test"}, CommonName: name},
		NotBefore: crlStart.AddDate(-30, 0, 0), NotAfter: crlStart.AddDate(40, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
	}
	if parent.Signer == nil {
		parent = Issuer{Certificate: template, Signer: issuer.Signer}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.Certificate, issuer.Signer.Public(), parent.Signer)
	if err != nil {
		t.Fatal(err)
	}
	if issuer.Certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return issuer
}

// crlBytes returns what c writes, and checks its size.
func crlBytes(t testing.TB, c *CRL) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := c.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n != c.Size || int64(b.Len()) != c.Size {
		t.Fatalf("WriteTo returned %d and wrote %d bytes, Size is %d", n, b.Len(), c.Size)
	}
	return b.Bytes()
}

// crlParse parses c with the standard library and checks its signature.
func crlParse(t testing.TB, c *CRL, issuer Issuer) *x509.RevocationList {
	t.Helper()
	list, err := x509.ParseRevocationList(crlBytes(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(issuer.Certificate); err != nil {
		t.Fatal(err)
	}
	return list
}

func crlLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// crlPublisher returns a loaded publisher on a clock that the caller sets.
func crlPublisher(t testing.TB, house crlHouse, store *crlStore, now *crlClock) *Publisher {
	t.Helper()
	p := &Publisher{
		Store: store, Issuers: []Issuer{house.issuing}, RootCRL: func() ([]byte, error) { return house.rootCRL, nil },
		Now: now.Now, Log: crlLog(t),
	}
	if err := p.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCRLSigns(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "P-521", "RSA-2048", "Ed25519"} {
		for _, n := range []int{0, 1, 3, 1000} {
			t.Run(fmt.Sprintf("%s/%d", kind, n), func(t *testing.T) {
				house := newCRLHouse(t, crlKey(t, kind))
				var entries crlEntries
				var template []x509.RevocationListEntry
				for i := range n {
					r := issuance.Revocation{Serial: issuance.Serial(fmt.Sprintf("%034x", 3*i+1)), Status: issuance.Revoked, Reason: issuance.Reasons()[i%6], At: crlStart.AddDate(0, 0, -i)}
					entry, err := appendEntry(nil, r, false)
					if err != nil {
						t.Fatal(err)
					}
					entries.put(entry)
					template = append(template, x509.RevocationListEntry{SerialNumber: r.Serial.Int(), RevocationTime: r.At, ReasonCode: r.Reason.CRLReason()})
				}
				draft := crlDraft{issuer: house.issuing, entries: entries.snapshot(), number: 300, thisUpdate: crlStart, nextUpdate: crlStart.AddDate(30, 0, 0)}
				c, err := draft.sign()
				if err != nil {
					t.Fatal(err)
				}
				got := crlParse(t, c, house.issuing)
				der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
					Number: issuance.Serial("12c").Int(), ThisUpdate: crlStart, NextUpdate: crlStart.AddDate(30, 0, 0), RevokedCertificateEntries: template,
				}, house.issuing.Certificate, house.issuing.Signer)
				if err != nil {
					t.Fatal(err)
				}
				want, err := x509.ParseRevocationList(der)
				if err != nil {
					t.Fatal(err)
				}
				// What is signed is the same, byte by byte.
				if diff := cmp.Diff(want.RawTBSRevocationList, got.RawTBSRevocationList); diff != "" {
					t.Errorf("CRL differs from the standard library's (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestBundleIsPEM(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	store := newCRLStore()
	for i := range 997 {
		crlChange(t, store, issuance.Serial(fmt.Sprintf("%034x", 7*i+1)), issuance.Revoked, issuance.Superseded, crlStart, crlStart.AddDate(1, 0, 0))
	}
	p := crlPublisher(t, house, store, &crlClock{now: crlStart})
	bundle, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if n, err := bundle.WriteTo(&got); err != nil || n != bundle.Size || int64(got.Len()) != bundle.Size {
		t.Fatalf("WriteTo returned %d, %v and wrote %d bytes; Size is %d", n, err, got.Len(), bundle.Size)
	}
	var want bytes.Buffer
	for _, c := range bundle.CRLs {
		if err := pem.Encode(&want, &pem.Block{Type: "X509 CRL", Bytes: crlBytes(t, c)}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Errorf("bundle (-want +got):\n%s", diff)
	}
	if got, want := len(bundle.CRLs), 2; got != want {
		t.Errorf("the bundle has %d CRLs, want %d", got, want)
	}
}
