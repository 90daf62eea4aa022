package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
)

// checkCA returns an error unless cert is a CA's that conforms to RFC 5280. A
// verifier that is not told what it must know (4.2: criticality) may accept what
// the CA above did not mean, and a weak key is everybody's.
func checkCA(cert *x509.Certificate) error {
	switch {
	case cert.Version != 3:
		return errors.New("is not an X.509 version 3 certificate")
	case !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("is not a CA that signs certificates")
	case len(cert.Subject.Names) == 0: // section 4.1.2.6
		return errors.New("has no subject")
	case len(cert.SubjectKeyId) == 0: // section 4.2.1.2
		return errors.New("has no subject key identifier")
	case len(cert.AuthorityKeyId) == 0 && !isRoot(cert): // section 4.2.1.1
		return errors.New("has no authority key identifier, which every CA except a root must have")
	}
	if problem := KeyProblem(cert.PublicKey); problem != "" {
		return errors.New("has a key that is not accepted: " + problem)
	}
	return checkCriticality(cert)
}

// checkCriticality holds each extension against what RFC 5280 has a CA that
// conforms make of it; where it says SHOULD, both will do.
func checkCriticality(cert *x509.Certificate) error {
	for _, e := range cert.Extensions {
		switch id := e.Id.String(); {
		case !e.Critical && slices.Contains(mustBeCritical(), id):
			return errors.New("has the extension " + extensionName(e.Id) + ", which must be critical but is not")
		case e.Critical && slices.Contains(mustNotBeCritical(), id):
			return errors.New("has the extension " + extensionName(e.Id) + ", which must not be critical but is")
		}
	}
	return nil
}

func mustBeCritical() []string {
	return []string{
		"2.5.29.19", // section 4.2.1.9
		"2.5.29.30", // section 4.2.1.10
		"2.5.29.36", // section 4.2.1.11
		"2.5.29.54", // section 4.2.1.14
	}
}

// mustNotBeCritical lacks the two key identifiers and the authority information
// access: crypto/x509 does not read a certificate that has these critical.
func mustNotBeCritical() []string {
	return []string{
		"2.5.29.9",           // section 4.2.1.8
		"2.5.29.46",          // section 4.2.1.15
		"1.3.6.1.5.5.7.1.11", // section 4.2.2.2
	}
}

func extensionName(id asn1.ObjectIdentifier) string {
	return map[string]string{
		"2.5.29.19": "basic constraints", "2.5.29.30": "name constraints", "2.5.29.36": "policy constraints",
		"2.5.29.54": "inhibit any policy",
		"2.5.29.9":  "subject directory attributes", "2.5.29.46": "freshest CRL", "1.3.6.1.5.5.7.1.11": "subject information access",
	}[id.String()]
}
