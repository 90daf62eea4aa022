package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/issuance"
)

// ocspResponder returns a loaded responder that a publisher keeps informed.
func ocspResponder(t testing.TB, house crlHouse, store *crlStore, now *crlClock) (*Responder, *Publisher) {
	t.Helper()
	r := &Responder{Store: store, Issuers: []Issuer{house.issuing}, Now: now.Now, Log: crlLog(t)}
	if err := r.Load(); err != nil {
		t.Fatal(err)
	}
	p := &Publisher{Store: store, Issuers: r.Issuers, Responder: r, Now: now.Now, Log: r.Log}
	if err := p.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, p
}

// ocspRequest asks about serial, naming issuer by hash.
func ocspRequest(t testing.TB, issuer *x509.Certificate, serial issuance.Serial, hash crypto.Hash) []byte {
	t.Helper()
	request, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: serial.Int()}, issuer, &ocsp.RequestOptions{Hash: hash})
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// ocspPut stores certificates of every status: 01 active, 02 held, 03 revoked, 04
// reserved, 05 abandoned, 06 active but of another issuer.
func ocspPut(t testing.TB, store *crlStore) {
	t.Helper()
	notAfter := crlStart.AddDate(2, 0, 0)
	crlChange(t, store, issuance.SerialOf(big.NewInt(2)), issuance.Held, issuance.CertificateHold, crlStart.Add(-time.Hour), notAfter)
	crlChange(t, store, issuance.SerialOf(big.NewInt(3)), issuance.Revoked, issuance.Superseded, crlStart.Add(-2*time.Hour), notAfter)
	err := store.change(t.Context(), func(tx crlTx) error {
		return errors.Join(
			tx.PutCertificate(issuance.Certificate{Serial: issuance.SerialOf(big.NewInt(1)), Status: issuance.Active, Issuer: "issuing-1"}),
			tx.PutCertificate(issuance.Certificate{Serial: issuance.SerialOf(big.NewInt(4)), Status: issuance.Abandoned, Issuer: "issuing-1"}),
			tx.PutCertificate(issuance.Certificate{Serial: issuance.SerialOf(big.NewInt(5)), Status: issuance.Abandoned, Issuer: "issuing-1"}),
			tx.PutCertificate(issuance.Certificate{Serial: issuance.SerialOf(big.NewInt(6)), Status: issuance.Active, Issuer: "issuing-2"}),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ocspMany is a request for n certificates, all the same.
func ocspMany(t testing.TB, one []byte, n int) []byte {
	t.Helper()
	return ocspJoined(t, slices.Repeat([][]byte{one}, n)...)
}

// ocspJoined asks in one request what several ask, which x/crypto/ocsp does not make.
func ocspJoined(t testing.TB, requests ...[]byte) []byte {
	t.Helper()
	var joined struct {
		TBS struct{ List []asn1.RawValue }
	}
	joined.TBS.List = []asn1.RawValue{}
	for _, one := range requests {
		request := joined
		if _, err := asn1.Unmarshal(one, &request); err != nil {
			t.Fatal(err)
		}
		joined.TBS.List = append(joined.TBS.List, request.TBS.List...)
	}
	out, err := asn1.Marshal(joined)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ocspPadded is the request with an extension of n bytes.
func ocspPadded(t testing.TB, one []byte, n int) []byte {
	t.Helper()
	var request struct {
		TBS struct {
			List       asn1.RawValue
			Extensions []pkix.Extension `asn1:"optional,explicit,tag:2"`
		}
	}
	if _, err := asn1.Unmarshal(one, &request); err != nil {
		t.Fatal(err)
	}
	request.TBS.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, n)}}
	padded, err := asn1.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return padded
}

// ocspFlipped is the request with one bit of hash turned over.
func ocspFlipped(t testing.TB, one, hash []byte) []byte {
	t.Helper()
	at := bytes.Index(one, hash)
	if at < 0 {
		t.Fatalf("%x is not in the request", hash)
	}
	flipped := bytes.Clone(one)
	flipped[at] ^= 1
	return flipped
}

// brokenSigner has a public key and does not sign.
type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the HSM is away")
}
