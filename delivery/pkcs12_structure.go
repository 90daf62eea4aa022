package delivery

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// The types below are those of RFC 7292, section 4, in DER, as far as a file with
// one key needs them. They are here, and not a library's, because the library
// that Postern reads PKCS#12 with gives a private key no friendlyName.

// pfx is PFX, section 4.
type pfx struct {
	Version  int
	AuthSafe plainContent
	MAC      macData
}

// macData is MacData, section 4.
type macData struct {
	Mac        digestInfo
	Salt       []byte
	Iterations int
}

type digestInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Digest    []byte
}

// authenticatedSafe is AuthenticatedSafe, section 4.1, in the order of OpenSSL
// and Windows: the certificates encrypted as a whole, the key in its own envelope.
type authenticatedSafe struct {
	Certificates encryptedContent
	Key          plainContent
}

// plainContent is ContentInfo with id-data, RFC 2315, section 8.
type plainContent struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"tag:0,explicit"`
}

// encryptedContent is ContentInfo with id-encryptedData, RFC 2315, section 13.
type encryptedContent struct {
	Type    asn1.ObjectIdentifier
	Content encryptedData `asn1:"tag:0,explicit"`
}

type encryptedData struct {
	Version int
	Content encryptedContentInfo
}

type encryptedContentInfo struct {
	Type      asn1.ObjectIdentifier
	Algorithm pkix.AlgorithmIdentifier
	Content   []byte `asn1:"tag:0"`
}

// keyBag is SafeBag with a PKCS8ShroudedKeyBag, section 4.2.2.
type keyBag struct {
	ID         asn1.ObjectIdentifier
	Value      encryptedKey  `asn1:"tag:0,explicit"`
	Attributes []pkcs12Value `asn1:"set"`
}

// encryptedKey is EncryptedPrivateKeyInfo, RFC 5208, section 6.
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// certificateBag is SafeBag with a CertBag, section 4.2.3.
type certificateBag struct {
	ID         asn1.ObjectIdentifier
	Value      certificateValue `asn1:"tag:0,explicit"`
	Attributes []pkcs12Value    `asn1:"set,omitempty"`
}

type certificateValue struct {
	ID  asn1.ObjectIdentifier
	DER []byte `asn1:"tag:0,explicit"`
}

// pkcs12Value is PKCS12Attribute, section 4.2.
type pkcs12Value struct {
	ID     asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// The object identifiers, by their last numbers: RFC 2315, section 14; RFC 2985,
// section 5.5; RFC 7292, appendix D.
func oidData() asn1.ObjectIdentifier          { return oidPKCS(7, 1) }
func oidEncryptedData() asn1.ObjectIdentifier { return oidPKCS(7, 6) }
func oidFriendlyName() asn1.ObjectIdentifier  { return oidPKCS(9, 20) }
func oidLocalKeyID() asn1.ObjectIdentifier    { return oidPKCS(9, 21) }
func oidX509() asn1.ObjectIdentifier          { return oidPKCS(9, 22, 1) }
func oidShroudedKey() asn1.ObjectIdentifier   { return oidPKCS(12, 10, 1, 2) }
func oidCertificate() asn1.ObjectIdentifier   { return oidPKCS(12, 10, 1, 3) }

// oidPKCS returns 1.2.840.113549.1 and more.
func oidPKCS(more ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 2, 840, 113549, 1}, more...)
}

// identify returns the attributes that key and certificate have in common. The
// localKeyID is the certificate's SHA-1, as OpenSSL writes it: a name, no defence.
func identify(name asn1.RawValue, certificate []byte) []pkcs12Value {
	id := sha1.Sum(certificate)
	return []pkcs12Value{
		{oidFriendlyName(), []asn1.RawValue{name}},
		{oidLocalKeyID(), []asn1.RawValue{{Tag: asn1.TagOctetString, Bytes: id[:]}}},
	}
}

func sealKey(p protection, pkcs8 []byte, attributes []pkcs12Value) (plainContent, error) {
	algorithm, data, err := p.seal(pkcs8)
	if err != nil {
		return plainContent{}, err
	}
	bags, err := asn1.Marshal([]keyBag{{oidShroudedKey(), encryptedKey{algorithm, data}, attributes}})
	return plainContent{oidData(), bags}, err
}

// sealCertificates gives the attributes to the first of certificates.
func sealCertificates(p protection, certificates [][]byte, attributes []pkcs12Value) (encryptedContent, error) {
	bags := make([]certificateBag, len(certificates))
	for i, der := range certificates {
		bags[i] = certificateBag{ID: oidCertificate(), Value: certificateValue{oidX509(), der}}
	}
	bags[0].Attributes = attributes
	plain, err := asn1.Marshal(bags)
	if err != nil {
		return encryptedContent{}, err
	}
	algorithm, data, err := p.seal(plain)
	return encryptedContent{oidEncryptedData(), encryptedData{0, encryptedContentInfo{oidData(), algorithm, data}}}, err
}

// encodePFX puts the MAC of section 5.1 around safe.
func encodePFX(p protection, safe authenticatedSafe) ([]byte, error) {
	content, err := asn1.Marshal(safe)
	if err != nil {
		return nil, fmt.Errorf("encoding the contents: %w", err)
	}
	salt := newSalt(p.saltLength)
	mac := hmac.New(p.hash, p.derive(macPurpose, salt, p.hash().Size()))
	mac.Write(content)
	file, err := asn1.Marshal(pfx{3, plainContent{oidData(), content}, macData{
		Mac:        digestInfo{pkix.AlgorithmIdentifier{Algorithm: p.hashID, Parameters: asn1.NullRawValue}, mac.Sum(nil)},
		Salt:       salt,
		Iterations: iterations,
	}})
	if err != nil {
		return nil, fmt.Errorf("encoding the file: %w", err)
	}
	return file, nil
}
