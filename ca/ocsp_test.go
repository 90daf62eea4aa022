package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/issuance"
)

func TestOCSPSaysWhatTheStoreSays(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		house, store, now := newCRLHouse(t, crlKey(t, kind)), newCRLStore(), &crlClock{now: crlStart}
		ocspPut(t, store)
		r, _ := ocspResponder(t, house, store, now)
		for serial, want := range map[string]ocsp.Response{
			"1": {Status: ocsp.Good},
			"2": {Status: ocsp.Revoked, RevokedAt: crlStart.Add(-time.Hour), RevocationReason: ocsp.CertificateHold},
			"3": {Status: ocsp.Revoked, RevokedAt: crlStart.Add(-2 * time.Hour), RevocationReason: ocsp.Superseded},
			"4": {Status: ocsp.Unknown},
			"5": {Status: ocsp.Unknown},
			"6": {Status: ocsp.Unknown},
			"7": {Status: ocsp.Unknown},
			"0": {Status: ocsp.Unknown},
			"ffffffffffffffffffffffffffffffffffffffff": {Status: ocsp.Unknown},
		} {
			for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
				answer := r.Respond(t.Context(), ocspRequest(t, house.issuing.Certificate, issuance.Serial(serial), hash))
				got, err := ocsp.ParseResponse(answer.DER, house.issuing.Certificate)
				if err != nil {
					t.Fatalf("%s, serial %s: %v", kind, serial, err)
				}
				if got.Status != want.Status || !got.RevokedAt.Equal(want.RevokedAt) || got.RevocationReason != want.RevocationReason {
					t.Errorf("%s, serial %s: status %d, at %v, reason %d, want %d, %v, %d", kind, serial, got.Status, got.RevokedAt, got.RevocationReason, want.Status, want.RevokedAt, want.RevocationReason)
				}
				if got.SerialNumber.Cmp(issuance.Serial(serial).Int()) != 0 || got.IssuerHash != hash {
					t.Errorf("%s: the answer is about %x by %v, want %s by %v", kind, got.SerialNumber, got.IssuerHash, serial, hash)
				}
				if !got.ThisUpdate.Equal(crlStart) || !got.NextUpdate.Equal(crlStart.Add(ocspLifetime)) {
					t.Errorf("%s, serial %s: from %v to %v", kind, serial, got.ThisUpdate, got.NextUpdate)
				}
				if wantKept := want.Status != ocsp.Unknown; answer.Cacheable != wantKept || (answer.ETag != "") != wantKept {
					t.Errorf("%s, serial %s: cacheable %v, tag %s", kind, serial, answer.Cacheable, answer.ETag)
				}
			}
		}
	}
}

// What is signed is the same as the standard tool's, byte by byte, but for
// producedAt: it is never before thisUpdate.
func TestOCSPSigns(t *testing.T) {
	house, now := newCRLHouse(t, crlKey(t, "P-256")), crlStart.Add(40*time.Second)
	issuer, err := newOCSPIssuer(house.issuing, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	by := issuer.present.Load()
	for _, hash := range []ocspHash{ocspSHA1, ocspSHA256} {
		for _, single := range []ocspSingle{
			{status: statusGood},
			{status: statusRevoked, revokedAt: crlStart, reason: 1},
			{status: statusRevoked, revokedAt: crlStart},
			{status: statusUnknown},
		} {
			single.about = ocspKey{hash: hash, serial: [20]byte{4: 0xff, 19: 1}}
			draft := ocspDraft{issuer: issuer, singles: []ocspSingle{single}, thisUpdate: now, nextUpdate: now.Add(time.Minute)}
			signed, err := draft.sign(by)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ocsp.ParseResponse(signed, house.issuing.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			if !got.ProducedAt.Equal(now) {
				t.Errorf("produced at %v, want %v", got.ProducedAt, now)
			}
			der, err := ocsp.CreateResponse(house.issuing.Certificate, by.certificate, ocsp.Response{
				Status: int(single.status), SerialNumber: got.SerialNumber, ThisUpdate: now, NextUpdate: draft.nextUpdate, RevokedAt: single.revokedAt,
				RevocationReason: single.reason, IssuerHash: hash.algorithm(), Certificate: by.certificate,
			}, by.key)
			if err != nil {
				t.Fatal(err)
			}
			want, err := ocsp.ParseResponse(der, house.issuing.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			produced := func(r *ocsp.Response) []byte { return []byte(r.ProducedAt.UTC().Format("20060102150405Z")) }
			if diff := cmp.Diff(bytes.Replace(want.TBSResponseData, produced(want), produced(got), 1), got.TBSResponseData); diff != "" {
				t.Errorf("status %s by %v (-want +got):\n%s", single.status, hash.algorithm(), diff)
			}
		}
	}
}

func TestOCSPErrors(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	ocspPut(t, store)
	r, _ := ocspResponder(t, house, store, now)
	one := ocspRequest(t, house.issuing.Certificate, "1", crypto.SHA1)
	parsed, err := ocsp.ParseRequest(one)
	if err != nil {
		t.Fatal(err)
	}
	negative := bytes.Clone(one)
	negative[len(negative)-1] = 0x80
	long := ocspRequest(t, house.issuing.Certificate, "01ffffffffffffffffffffffffffffffffffffffff", crypto.SHA1)
	sha512 := bytes.Replace(ocspRequest(t, house.issuing.Certificate, "1", crypto.SHA256), []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1}, []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3}, 1)
	for name, test := range map[string]struct {
		request []byte
		want    []byte
		status  string
	}{
		"empty":          {nil, ocsp.MalformedRequestErrorResponse, "malformed"},
		"text":           {[]byte("good morning"), ocsp.MalformedRequestErrorResponse, "malformed"},
		"cut":            {one[:len(one)-1], ocsp.MalformedRequestErrorResponse, "malformed"},
		"trailing byte":  {append(bytes.Clone(one), 0), ocsp.MalformedRequestErrorResponse, "malformed"},
		"none":           {ocspMany(t, one, 0), ocsp.MalformedRequestErrorResponse, "malformed"},
		"one too many":   {ocspMany(t, one, maxOCSPQuestions+1), ocsp.MalformedRequestErrorResponse, "malformed"},
		"two issuers":    {ocspJoined(t, one, ocspRequest(t, house.root.Certificate, "1", crypto.SHA1)), ocsp.UnauthorizedErrorResponse, "unauthorized"},
		"cut inside":     {ocspJoined(t, one, negative), ocsp.MalformedRequestErrorResponse, "malformed"},
		"thousands":      {ocspMany(t, one, 2000), ocsp.MalformedRequestErrorResponse, "malformed"},
		"too large":      {ocspPadded(t, one, maxOCSPRequest), ocsp.MalformedRequestErrorResponse, "malformed"},
		"negative":       {negative, ocsp.MalformedRequestErrorResponse, "malformed"},
		"21 bytes":       {long, ocsp.MalformedRequestErrorResponse, "malformed"},
		"foreign issuer": {ocspRequest(t, house.root.Certificate, "1", crypto.SHA1), ocsp.UnauthorizedErrorResponse, "unauthorized"},
		"foreign name":   {ocspFlipped(t, one, parsed.IssuerNameHash), ocsp.UnauthorizedErrorResponse, "unauthorized"},
		"foreign key":    {ocspFlipped(t, one, parsed.IssuerKeyHash), ocsp.UnauthorizedErrorResponse, "unauthorized"},
		"another hash":   {sha512, ocsp.UnauthorizedErrorResponse, "unauthorized"},
	} {
		got := r.Respond(t.Context(), test.request)
		if !bytes.Equal(got.DER, test.want) || got.Status != test.status || got.Cacheable {
			t.Errorf("%s: %s (%x), want %s (%x)", name, got.Status, got.DER, test.status, test.want)
		}
	}
	if got := r.Respond(t.Context(), ocspMany(t, one, 1)); got.Status != "good" {
		t.Errorf("the list of one: %s, want good", got.Status)
	}
	full := ocspMany(t, ocspRequest(t, house.issuing.Certificate, "ffffffffffffffffffffffffffffffffffffff", crypto.SHA256), maxOCSPQuestions)
	if got := r.Respond(t.Context(), full); got.Status != "several" || got.Cacheable {
		t.Errorf("the longest list: %s, want several", got.Status)
	}
	if got := r.Respond(t.Context(), ocspPadded(t, one, maxOCSPRequest/2)); got.Status != "good" {
		t.Errorf("with an extension: %s, want good", got.Status)
	}
	store.fail(errors.New("disk on fire"))
	fresh := ocspRequest(t, house.issuing.Certificate, "2", crypto.SHA1)
	if got := r.Respond(t.Context(), fresh); !bytes.Equal(got.DER, ocsp.TryLaterErrorResponse) || got.Status != "try-later" {
		t.Errorf("without a store: %s, want try-later", got.Status)
	}
}

func TestOCSPRenewsItsCertificate(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	ocspPut(t, store)
	r, _ := ocspResponder(t, house, store, now)
	by := func() (*x509.Certificate, string) {
		t.Helper()
		answer := r.Respond(t.Context(), ocspRequest(t, house.issuing.Certificate, "1", crypto.SHA1))
		if answer.Status != "good" {
			return nil, answer.Status
		}
		response, err := ocsp.ParseResponse(answer.DER, house.issuing.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if response.NextUpdate.After(response.Certificate.NotAfter) {
			t.Errorf("the answer lasts until %v, its certificate until %v", response.NextUpdate, response.Certificate.NotAfter)
		}
		return response.Certificate, answer.Status
	}
	first, _ := by()
	now.Advance(delegateLife/2 - time.Minute)
	if again, _ := by(); !again.Equal(first) {
		t.Error("another certificate before half of its life")
	}
	now.Advance(time.Minute)
	second, _ := by()
	if second.Equal(first) || second.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(first.PublicKey) {
		t.Error("the same certificate, or the same key, after half of its life")
	}
	// The issuer's key fails from here on.
	r.issuers[0].Signer = brokenSigner{house.issuing.Signer}
	now.Advance(delegateLife - 2*time.Second)
	if last, status := by(); last == nil || !last.Equal(second) {
		t.Errorf("%s while the certificate lasts, want an answer signed with it", status)
	}
	now.Advance(3 * time.Second)
	for range 3 {
		if _, status := by(); status != "try-later" {
			t.Errorf("%s with an expired certificate, want try-later", status)
		}
		now.Advance(logAgain)
	}
	r.issuers[0].Signer = house.issuing.Signer
	now.Advance(time.Minute)
	if _, status := by(); status != "good" {
		t.Errorf("%s when the key works again, want good", status)
	}
}

func TestOCSPResponderRefuses(t *testing.T) {
	house, now := newCRLHouse(t, crlKey(t, "P-256")), &crlClock{now: crlStart}
	keyless := house.issuing
	keyless.Signer = nil
	for name, r := range map[string]*Responder{
		"no store":      {Issuers: []Issuer{house.issuing}, Now: now.Now, Log: crlLog(t)},
		"no issuer":     {Store: newCRLStore(), Now: now.Now, Log: crlLog(t)},
		"no key":        {Store: newCRLStore(), Issuers: []Issuer{keyless}, Now: now.Now, Log: crlLog(t)},
		"too long":      {Store: newCRLStore(), Issuers: []Issuer{house.issuing}, Now: now.Now, Log: crlLog(t), Lifetime: delegateLife},
		"negative life": {Store: newCRLStore(), Issuers: []Issuer{house.issuing}, Now: now.Now, Log: crlLog(t), Lifetime: -1},
	} {
		if err := r.Load(); err == nil {
			t.Errorf("%s: Load returned no error", name)
		}
	}
}

// What x/crypto/ocsp cannot read is malformed here too, and whatever is not is
// answered about the serial number that it reads.
func FuzzRespond(f *testing.F) {
	house, store, now := newCRLHouse(f, crlKey(f, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	ocspPut(f, store)
	r, _ := ocspResponder(f, house, store, now)
	r.Nonce = true
	one := ocspRequest(f, house.issuing.Certificate, "1", crypto.SHA1)
	f.Add(ocspMany(f, one, 2))
	f.Add(ocspNonced(f, one, []byte{4, 2, 1, 2}))
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		f.Add(ocspRequest(f, house.issuing.Certificate, "1", hash))
		f.Add(ocspRequest(f, house.root.Certificate, "3", hash))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		answer := r.Respond(t.Context(), request)
		if answer == nil || len(answer.DER) == 0 {
			t.Fatal("no answer")
		}
		if answer.Status == "malformed" || answer.Status == "unauthorized" || answer.Status == "several" {
			return // x/crypto reads no answers about several
		}
		question, err := ocsp.ParseRequest(request)
		if err != nil {
			return // x/crypto is stricter in places that do not matter
		}
		response, err := ocsp.ParseResponse(answer.DER, house.issuing.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if response.SerialNumber.Cmp(question.SerialNumber) != 0 || response.IssuerHash != question.HashAlgorithm {
			t.Errorf("asked about %x by %v, answered about %x by %v", question.SerialNumber, question.HashAlgorithm, response.SerialNumber, response.IssuerHash)
		}
	})
}

// The clock is 25 days ahead for two seconds: what it dated in the future is not
// given any more once it is right, and the delegate has a certificate that is valid.
func TestOCSPOutlivesAClockThatWasAhead(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	ocspPut(t, store)
	r, p := ocspResponder(t, house, store, now)
	ask := func(serial int64) *ocsp.Response {
		t.Helper()
		request := ocspRequest(t, house.issuing.Certificate, issuance.SerialOf(big.NewInt(serial)), crypto.SHA1)
		answer, err := ocsp.ParseResponse(r.Respond(t.Context(), request).DER, house.issuing.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	const ahead = 25 * 24 * time.Hour
	now.Advance(ahead)
	crlStep(t, p)
	crlChange(t, store, issuance.SerialOf(big.NewInt(1)), issuance.Revoked, issuance.KeyCompromise, now.Now(), crlStart.AddDate(2, 0, 0))
	crlStep(t, p)
	ask(1)
	now.Advance(-ahead)
	crlStep(t, p)
	for serial, want := range map[int64]int{1: ocsp.Revoked, 3: ocsp.Revoked, 2: ocsp.Revoked} {
		got := ask(serial)
		if got.Status != want || got.ThisUpdate.After(now.Now()) || got.RevokedAt.After(now.Now()) {
			t.Errorf("%d: status %d of %v, revoked at %v, at %v", serial, got.Status, got.ThisUpdate, got.RevokedAt, now.Now())
		}
		if got.Certificate.NotBefore.After(now.Now()) {
			t.Errorf("%d: answered by a certificate that is valid from %v, at %v", serial, got.Certificate.NotBefore, now.Now())
		}
	}
	for _, e := range crlListed(t, crlStep(t, p), house) {
		if e.At.After(now.Now()) {
			t.Errorf("%s is in the CRL of %v as revoked at %v", e.Serial, now.Now(), e.At)
		}
	}
}
