package ca

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/ocsp"
)

func ocspNonceID() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2} }

// ocspNonced is the request with extensions whose values are DER, all of the nonce's kind.
func ocspNonced(t testing.TB, one []byte, values ...[]byte) []byte {
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
	for _, value := range values {
		request.TBS.Extensions = append(request.TBS.Extensions, pkix.Extension{Id: ocspNonceID(), Value: value})
	}
	out, err := asn1.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// octets is an OCTET STRING of n octets.
func octets(n int) []byte {
	var b cryptobyte.Builder
	b.AddASN1OctetString(bytes.Repeat([]byte{0x5a}, n))
	return b.BytesOrPanic()
}

// nonceOf returns what an answer repeats, and fails unless its signature holds.
func nonceOf(t *testing.T, house crlHouse, answer *Answer) []byte {
	t.Helper()
	response, err := ocsp.ParseResponse(answer.DER, house.issuing.Certificate)
	if err != nil {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	var data struct {
		Responder  asn1.RawValue
		Produced   time.Time `asn1:"generalized"`
		Responses  asn1.RawValue
		Extensions []pkix.Extension `asn1:"optional,explicit,tag:1"`
	}
	if _, err := asn1.Unmarshal(response.TBSResponseData, &data); err != nil {
		t.Fatal(err)
	}
	if len(data.Extensions) == 0 {
		return nil
	}
	if len(data.Extensions) > 1 || !data.Extensions[0].Id.Equal(ocspNonceID()) {
		t.Errorf("the answer has the extensions %v", data.Extensions)
	}
	return data.Extensions[0].Value
}

// TestOCSPRepeatsANonce within the limits of RFC 9654, and where it is wanted.
func TestOCSPRepeatsANonce(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	ocspPut(t, store)
	r, _ := ocspResponder(t, house, store, now)
	one := ocspRequest(t, house.issuing.Certificate, "1", crypto.SHA1)
	kept := r.Respond(t.Context(), one)
	if got := r.Respond(t.Context(), ocspNonced(t, one, octets(32))); got != kept {
		t.Error("where no nonce is wanted, one changes the answer")
	}
	if got := r.Respond(t.Context(), ocspNonced(t, one, octets(200))); got != kept {
		t.Error("where no nonce is wanted, one is looked at")
	}
	r.Nonce = true
	for _, n := range []int{1, 16, 32, 127, maxNonce} {
		answer := r.Respond(t.Context(), ocspNonced(t, one, octets(n)))
		if got := nonceOf(t, house, answer); !bytes.Equal(got, octets(n)) || answer.Status != "good" || answer.Cacheable {
			t.Errorf("a nonce of %d octets: %s with %x, cacheable %v", n, answer.Status, got, answer.Cacheable)
		}
	}
	for name, request := range map[string][]byte{
		"empty":            ocspNonced(t, one, octets(0)),
		"too long":         ocspNonced(t, one, octets(maxNonce+1)),
		"two":              ocspNonced(t, one, octets(32), octets(32)),
		"bare":             ocspNonced(t, one, bytes.Repeat([]byte{0x5a}, 16)),
		"more behind it":   ocspNonced(t, one, append(octets(16), 5, 0)),
		"no value":         ocspNonced(t, one, nil),
		"of another kind":  ocspNonced(t, one, []byte{2, 1, 1}),
		"a length too big": ocspNonced(t, one, []byte{4, 3, 1}),
	} {
		if got := r.Respond(t.Context(), request); got.Status != "malformed" {
			t.Errorf("%s: %s, want malformed", name, got.Status)
		}
	}
	// The answer for everybody is still the one that was kept.
	if got := r.Respond(t.Context(), one); got != kept || nonceOf(t, house, got) != nil {
		t.Error("a nonce has changed what others get")
	}
	if got := r.Respond(t.Context(), ocspPadded(t, one, 10)); got != kept {
		t.Error("another extension changes the answer")
	}
}
