package ca

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // for crypto.SHA1: what most clients name an issuer with
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxOCSPRequest is more than a request for maxOCSPQuestions has, in bytes.
const maxOCSPRequest = 4 << 10

// maxOCSPQuestions bounds one request: each costs a look-up. Nobody is known to ask
// about more certificates at once than a chain has.
const maxOCSPQuestions = 32

// ocspHash is a hash that a request may name its issuer with.
type ocspHash int

const (
	ocspSHA1 ocspHash = iota
	ocspSHA256
	ocspHashes // how many there are
)

func (h ocspHash) algorithm() crypto.Hash {
	if h == ocspSHA256 {
		return crypto.SHA256
	}
	return crypto.SHA1
}

// identifier returns the contents of h's object identifier.
func (h ocspHash) identifier() []byte {
	if h == ocspSHA256 {
		return []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1}
	}
	return []byte{0x2b, 0x0e, 3, 2, 0x1a}
}

// ocspAsked is an OCSPRequest. Its slices lie in the request.
type ocspAsked struct {
	first      ocspQuestion
	more       []ocspQuestion    // nearly always none
	extensions cryptobyte.String // of the request; empty if there are none
}

// ocspQuestion is a CertID of a request.
type ocspQuestion struct {
	hash              ocspHash // ocspHashes if it is none of ours
	nameHash, keyHash []byte
	serial            [maxSerialOctets]byte
}

func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// parseOCSPRequest reads an OCSPRequest (RFC 6960, section 4.1.1). Signature,
// requestor and the extensions of single questions are passed over. False if it
// cannot be read, or asks about more than maxOCSPQuestions certificates.
func parseOCSPRequest(der []byte) (ocspAsked, bool) {
	var asked ocspAsked
	in := cryptobyte.String(der)
	var request, tbs, list cryptobyte.String
	ok := len(der) <= maxOCSPRequest &&
		in.ReadASN1(&request, asn1.SEQUENCE) && in.Empty() &&
		request.ReadASN1(&tbs, asn1.SEQUENCE) && request.SkipOptionalASN1(explicit(0)) && request.Empty() &&
		tbs.SkipOptionalASN1(explicit(0)) && tbs.SkipOptionalASN1(explicit(1)) &&
		tbs.ReadASN1(&list, asn1.SEQUENCE) && tbs.ReadOptionalASN1(&asked.extensions, nil, explicit(2)) && tbs.Empty()
	if !ok {
		return asked, false
	}
	asked.first, ok = readOCSPQuestion(&list)
	for ok && !list.Empty() {
		var next ocspQuestion
		next, ok = readOCSPQuestion(&list)
		asked.more = append(asked.more, next)
	}
	return asked, ok && len(asked.more) < maxOCSPQuestions
}

// readOCSPQuestion takes a Request off the list.
func readOCSPQuestion(list *cryptobyte.String) (q ocspQuestion, ok bool) {
	var one, id, algorithm, oid, nameHash, keyHash, serial cryptobyte.String
	ok = list.ReadASN1(&one, asn1.SEQUENCE) &&
		one.ReadASN1(&id, asn1.SEQUENCE) && one.SkipOptionalASN1(explicit(0)) && one.Empty() &&
		id.ReadASN1(&algorithm, asn1.SEQUENCE) && algorithm.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) &&
		id.ReadASN1(&nameHash, asn1.OCTET_STRING) && id.ReadASN1(&keyHash, asn1.OCTET_STRING) &&
		id.ReadASN1(&serial, asn1.INTEGER) && id.Empty() && q.setSerial(serial)
	if !ok {
		return q, false
	}
	q.nameHash, q.keyHash = nameHash, keyHash
	switch {
	case bytes.Equal(oid, ocspSHA1.identifier()):
		q.hash = ocspSHA1
	case bytes.Equal(oid, ocspSHA256.identifier()):
		q.hash = ocspSHA256
	default:
		q.hash = ocspHashes
	}
	return q, true
}

// setSerial takes the contents of a DER integer; false if it is negative or longer
// than a serial number may be.
func (q *ocspQuestion) setSerial(content []byte) bool {
	if len(content) == 0 || content[0] >= 0x80 {
		return false
	}
	content = bytes.TrimLeft(content, "\x00")
	if len(content) > len(q.serial) {
		return false
	}
	copy(q.serial[len(q.serial)-len(content):], content)
	return true
}

// standardBase64 repairs what clients and proxies make of a path in base64.
var standardBase64 = strings.NewReplacer(" ", "+", "-", "+", "_", "/")

// RequestFromPath returns the request in the address of an OCSP request by GET:
// what follows the responder's own path, escaped or not (RFC 6960, appendix A.1).
// It tolerates what clients and proxies do to base64: the URL alphabet, a plus sign
// that became a space, leading slashes, and missing padding.
func RequestFromPath(path string) ([]byte, error) {
	if len(path) > 3*maxOCSPRequest {
		return nil, errors.New("the OCSP request is too long")
	}
	if strings.Contains(path, "%") {
		unescaped, err := url.PathUnescape(path)
		if err != nil {
			return nil, errors.New("the OCSP request is not URL-encoded")
		}
		path = unescaped
	}
	text := standardBase64.Replace(strings.TrimLeft(path, "/"))
	request, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(request) == 0 {
		return nil, errors.New("the OCSP request is not base64")
	}
	return request, nil
}
