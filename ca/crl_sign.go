package ca

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-ca/postern/ca/lint"
)

// signature is how a CA signs: the hash, 0 for Ed25519, and the DER of the AlgorithmIdentifier.
type signature struct {
	hash      crypto.Hash
	algorithm []byte
}

// signatureOf returns how the key of pub signs, as x509.CreateRevocationList chooses it.
func signatureOf(pub crypto.PublicKey) (signature, error) {
	switch key := pub.(type) {
	case *rsa.PublicKey: // sha256WithRSAEncryption, with NULL (RFC 4055, section 5)
		return signature{crypto.SHA256, []byte{0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 0x05, 0}}, nil
	case *ecdsa.PublicKey: // ecdsa-with-SHA2 (RFC 5758, section 3.2)
		ecdsaWith := func(last byte) []byte { return []byte{0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last} }
		switch key.Curve {
		case elliptic.P256():
			return signature{crypto.SHA256, ecdsaWith(2)}, nil
		case elliptic.P384():
			return signature{crypto.SHA384, ecdsaWith(3)}, nil
		case elliptic.P521():
			return signature{crypto.SHA512, ecdsaWith(4)}, nil
		}
	case ed25519.PublicKey: // RFC 8410, section 3
		return signature{0, []byte{0x30, 5, 0x06, 3, 0x2b, 0x65, 0x70}}, nil
	}
	return signature{}, fmt.Errorf("a key of type %T signs no CRLs", pub)
}

// crlDraft is a CRL that is to be signed.
type crlDraft struct {
	issuer     Issuer
	entries    crlSnapshot
	number     uint64
	thisUpdate time.Time
	nextUpdate time.Time

	name     string // in its address; empty: the issuer's id
	base     uint64 // of a delta CRL: the number of its base; 0: it is complete
	point    string // of a shard: the distribution point that its certificates name
	freshest string // the address of the delta CRL, if there is one
}

// sign encodes and signs d. The entries are hashed where they lie; only Ed25519,
// which signs the message and not its hash, needs a copy while it signs.
func (d crlDraft) sign() (*CRL, error) {
	how, err := signatureOf(d.issuer.Signer.Public())
	if err != nil {
		return nil, err
	}
	tail, err := d.extensions()
	if err != nil {
		return nil, fmt.Errorf("encoding extensions: %w", err)
	}
	head := d.head(how.algorithm)
	parts := lint.List{Head: head, Chunks: d.entries.chunks, Tail: tail}
	if d.entries.count > 0 { // RFC 5280, section 5.1.2.6: absent if there are none
		head = appendHeader(head, asn1.SEQUENCE, d.entries.size)
	}
	signed := int64(len(head)) + d.entries.size + int64(len(tail)) // contents of TBSCertList
	head = append(appendHeader(nil, asn1.SEQUENCE, signed), head...)

	value, err := d.value(how.hash, head, parts)
	if err != nil {
		return nil, err
	}
	tail = append(tail, how.algorithm...)
	tail = append(appendHeader(tail, asn1.BIT_STRING, int64(len(value))+1), 0)
	tail = append(tail, value...)
	size := int64(len(head)) + d.entries.size + int64(len(tail))
	head = append(appendHeader(nil, asn1.SEQUENCE, size), head...)

	return &CRL{
		Issuer: d.issuer.ID, Name: cmp.Or(d.name, d.issuer.ID), Number: d.number,
		ThisUpdate: d.thisUpdate.UTC().Truncate(time.Second), NextUpdate: d.nextUpdate.UTC().Truncate(time.Second),
		ETag: etag(value), Size: int64(len(head)) + d.entries.size + int64(len(tail)), Entries: d.entries.count,
		head: head, chunks: d.entries.chunks, tail: tail, version: d.entries.version,
	}, nil
}

// head returns what stands in a TBSCertList before its entries: version 2,
// algorithm, issuer, times.
func (d crlDraft) head(algorithm []byte) []byte {
	b := []byte{byte(asn1.INTEGER), 1, 1}
	b = append(b, algorithm...)
	b = append(b, d.issuer.Certificate.RawSubject...)
	return appendTime(appendTime(b, d.thisUpdate), d.nextUpdate)
}

// value signs what head, which is that of parts with the lengths, the entries and
// the tail of parts are together, if parts passes the lints of the issuer's key.
func (d crlDraft) value(hash crypto.Hash, head []byte, parts lint.List) ([]byte, error) {
	write := func(w io.Writer) {
		w.Write(head) // a hash or a slice never fails
		for _, chunk := range d.entries.chunks {
			w.Write(chunk)
		}
		w.Write(parts.Tail)
	}
	var message []byte
	if hash == 0 {
		whole := sliceWriter{make([]byte, 0, int64(len(head))+d.entries.size+int64(len(parts.Tail)))}
		write(&whole)
		message = whole.b
	} else {
		h := hash.New()
		write(h)
		message = h.Sum(nil)
	}
	value, err := signParts(d.issuer.Signer, parts, message, hash)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return value, nil
}

// signParts signs the digest of a CRL, or the CRL. An [Authority] gives no key away
// that is not behind lints, and such a key signs no digest unless it sees the parts.
func signParts(key crypto.Signer, parts lint.List, message []byte, hash crypto.Hash) ([]byte, error) {
	if guarded, ok := key.(*lint.Signer); ok {
		return guarded.SignList(rand.Reader, parts, message, hash)
	}
	return key.Sign(rand.Reader, message, hash)
}

// sliceWriter collects what is written in memory of a known size.
type sliceWriter struct{ b []byte }

func (s *sliceWriter) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}
