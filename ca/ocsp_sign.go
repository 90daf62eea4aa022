package ca

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// certStatus is the alternative of a CertStatus (RFC 6960, section 4.2.1): its tag.
type certStatus uint8

const (
	statusGood certStatus = iota
	statusRevoked
	statusUnknown
)

func (s certStatus) String() string { return [...]string{"good", "revoked", "unknown"}[s] }

// ocspDraft is an answer that is to be signed. golang.org/x/crypto/ocsp makes
// answers too, but dates producedAt by its own clock and at the last whole
// minute: NSS refuses an answer that was produced before its thisUpdate.
type ocspDraft struct {
	issuer     *ocspIssuer
	singles    []ocspSingle // in the order of the questions
	thisUpdate time.Time    // and producedAt
	nextUpdate time.Time
	nonce      []byte // of the request; nil: none
}

// ocspSingle is what is said of one certificate.
type ocspSingle struct {
	about     ocspKey
	status    certStatus
	revokedAt time.Time // of a revoked certificate
	reason    int       // as in a CRL; 0 is not said
}

// sign returns d as an OCSPResponse in DER, by the responder by.
func (d ocspDraft) sign(by *delegate) ([]byte, error) {
	how, err := signatureOf(&by.key.PublicKey)
	if err != nil {
		return nil, err
	}
	var data cryptobyte.Builder
	d.addResponseData(&data, by)
	signed, err := data.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding an OCSP answer: %w", err)
	}
	digest := sha256.Sum256(signed)
	value, err := by.key.Sign(rand.Reader, digest[:], how.hash)
	if err != nil {
		return nil, fmt.Errorf("signing an OCSP answer: %w", err)
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(signed)+len(value)+len(by.certificate.Raw)+80))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // OCSPResponse
		b.AddASN1Enum(0) // successful
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1
				b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte{0x2b, 6, 1, 5, 5, 7, 48, 1, 1}) })
				b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // BasicOCSPResponse
						b.AddBytes(signed)
						b.AddBytes(how.algorithm)
						b.AddASN1BitString(value)
						b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
							b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(by.certificate.Raw) })
						})
					})
				})
			})
		})
	})
	return b.Bytes()
}

// addResponseData adds what is signed: a ResponseData.
func (d ocspDraft) addResponseData(b *cryptobyte.Builder, by *delegate) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) { b.AddBytes(by.certificate.RawSubject) }) // byName
		b.AddASN1GeneralizedTime(d.thisUpdate)                                                        // producedAt
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, single := range d.singles {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					single.addCertID(b, d.issuer)
					single.addStatus(b)
					b.AddASN1GeneralizedTime(d.thisUpdate)
					b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(d.nextUpdate) })
				})
			}
		})
		addNonce(b, d.nonce)
	})
}

// addCertID names the certificate as the request did.
func (s ocspSingle) addCertID(b *cryptobyte.Builder, issuer *ocspIssuer) {
	hashes := issuer.hashes[s.about.hash]
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(s.about.hash.identifier()) })
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(hashes.name)
		b.AddASN1OctetString(hashes.key)
		b.AddASN1BigInt(new(big.Int).SetBytes(s.about.serial[:]))
	})
}

// addStatus adds a CertStatus.
func (s ocspSingle) addStatus(b *cryptobyte.Builder) {
	tag := asn1.Tag(s.status).ContextSpecific()
	if s.status != statusRevoked {
		b.AddASN1(tag, func(*cryptobyte.Builder) {})
		return
	}
	b.AddASN1(tag.Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1GeneralizedTime(s.revokedAt.UTC())
		if s.reason != 0 {
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.reason)) })
		}
	})
}
