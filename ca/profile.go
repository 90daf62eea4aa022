package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// profile is the extensions that an issuing CA's certificates have in common.
// They are encoded here, once, byte for byte: what is signed carries exactly
// these, and what comes back from signing is compared with them.
type profile struct {
	authorityKeyID     pkix.Extension
	keyUsage           pkix.Extension
	basicConstraints   pkix.Extension
	clientAuth         pkix.Extension
	serverAuth         pkix.Extension
	distributionPoints pkix.Extension // the full CRL's
	clientAccess       pkix.Extension
	serverAccess       pkix.Extension

	id     string
	urls   URLs
	shards int // into which the CRL that clients name is split; 0: they name the full one
}

// General name tags of RFC 5280, section 4.2.1.6.
const (
	tagDNSName = 2
	tagURI     = 6
	tagIP      = 7
)

func newProfile(id string, issuer *x509.Certificate, urls URLs) (profile, error) {
	if len(issuer.SubjectKeyId) == 0 {
		return profile{}, errors.New("the CA's certificate has no subject key identifier")
	}
	ocsp := access{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}, urls.OCSP()}
	caIssuers := access{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}, urls.Certificate(id)}
	return profile{
		authorityKeyID: extension(35, false, sequence(func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(issuer.SubjectKeyId) })
		})),
		// digitalSignature alone: both TLS 1.2 with an ephemeral key exchange and
		// TLS 1.3 authenticate by signing, RSA keys included.
		keyUsage: extension(15, true, []byte{3, 2, 7, 0x80}),
		// CA:FALSE is said, and critical, though RFC 5280, section 4.2.1.9, lets a
		// leaf leave it out: verifiers that take a missing one for "may be a CA"
		// have existed, none that mind this one.
		basicConstraints:   extension(19, true, sequence(func(*cryptobyte.Builder) {})),
		clientAuth:         extendedKeyUsage(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}),
		serverAuth:         extendedKeyUsage(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}),
		distributionPoints: distributionPoint(urls.CRL(id)),
		id:                 id,
		urls:               urls,
		clientAccess:       authorityInfoAccess(ocsp, caIssuers),
		// Server certificates are not in the register, so that OCSP does not know
		// them; revoking one is the CRL's job alone.
		serverAccess: authorityInfoAccess(caIssuers),
	}, nil
}

// client returns the extensions of l as a client certificate with the URI.
func (p profile) client(uri string, l leaf) []pkix.Extension {
	san := subjectAltName([]generalName{{tagURI, []byte(uri)}})
	point := p.distributionPoints
	if p.shards > 0 {
		point = distributionPoint(p.urls.CRL(shardName(p.id, shardOf(l.serial.Bytes(), p.shards), p.shards)))
	}
	return []pkix.Extension{
		p.keyUsage, p.clientAuth, p.basicConstraints, subjectKeyID(l.keyID), p.authorityKeyID, p.clientAccess, san, point,
	}
}

// server returns the extensions of a server certificate.
func (p profile) server(names []string, ips []net.IP, keyID []byte) []pkix.Extension {
	var general []generalName
	for _, n := range names {
		general = append(general, generalName{tagDNSName, []byte(n)})
	}
	for _, ip := range ips {
		if v4 := ip.To4(); v4 != nil {
			ip = v4
		}
		general = append(general, generalName{tagIP, ip})
	}
	return []pkix.Extension{
		p.keyUsage, p.serverAuth, p.basicConstraints, subjectKeyID(keyID), p.authorityKeyID, p.serverAccess,
		subjectAltName(general), p.distributionPoints,
	}
}

// extension returns id-ce n (RFC 5280, section 4.2.1).
func extension(n int, critical bool, value []byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, n}, Critical: critical, Value: value}
}

func sequence(content func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, content)
	return b.BytesOrPanic() // nothing that is put into it can fail
}

type generalName struct {
	tag   uint8
	value []byte
}

func (g generalName) add(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.Tag(g.tag).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(g.value) })
}

func subjectAltName(names []generalName) pkix.Extension {
	return extension(17, false, sequence(func(b *cryptobyte.Builder) {
		for _, n := range names {
			n.add(b)
		}
	}))
}

func subjectKeyID(id []byte) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1OctetString(id)
	return extension(14, false, b.BytesOrPanic())
}

func extendedKeyUsage(usage asn1.ObjectIdentifier) pkix.Extension {
	return extension(37, false, sequence(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(usage) }))
}

// distributionPoint is one with a full name (RFC 5280, section 4.2.1.13).
func distributionPoint(uri string) pkix.Extension {
	context0 := cbasn1.Tag(0).ContextSpecific().Constructed()
	return extension(31, false, sequence(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(context0, func(b *cryptobyte.Builder) {
				b.AddASN1(context0, generalName{tagURI, []byte(uri)}.add)
			})
		})
	}))
}

// access is one AccessDescription of RFC 5280, section 4.2.2.1.
type access struct {
	method   asn1.ObjectIdentifier
	location string
}

func authorityInfoAccess(all ...access) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}, Value: sequence(func(b *cryptobyte.Builder) {
		for _, a := range all {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(a.method)
				generalName{tagURI, []byte(a.location)}.add(b)
			})
		}
	})}
}

// keyIDOf returns the key identifier of a SubjectPublicKeyInfo (DER): the
// leftmost 160 bits of the SHA-256 of its key (RFC 7093, section 2, method 1).
func keyIDOf(spki []byte) ([]byte, error) {
	var inner, algorithm cryptobyte.String
	var key []byte
	input := cryptobyte.String(spki)
	if !input.ReadASN1(&inner, cbasn1.SEQUENCE) || !inner.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!inner.ReadASN1BitStringAsBytes(&key) {
		return nil, errors.New("the public key cannot be encoded")
	}
	sum := sha256.Sum256(key)
	return sum[:20], nil
}
