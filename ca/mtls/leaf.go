package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

// maxSerialBits is 20 bytes without the sign (RFC 5280, section 4.1.2.2).
const maxSerialBits = 159

// checkForm checks the serial number and the order of the dates.
func checkForm(cert *x509.Certificate) error {
	switch n := cert.SerialNumber; {
	case n == nil || n.Sign() <= 0:
		return refuse(CodeSerial, "its serial number is not positive")
	case n.BitLen() > maxSerialBits:
		return refuse(CodeSerial, "its serial number is longer than 20 bytes")
	case cert.NotAfter.Before(cert.NotBefore):
		return refuse(CodeValidity, "it expires before it becomes valid")
	}
	return nil
}

// checkCAParts refuses everything that belongs to a CA (RFC 5280, sections
// 4.2.1.9 to 4.2.1.14), also where it is harmless to a verifier that knows how to read it.
func checkCAParts(cert *x509.Certificate) error {
	switch {
	case !cert.BasicConstraintsValid:
		return refuse(CodeNoBasic, "it does not say that it is not a CA")
	case cert.IsCA:
		return refuse(CodeIsCA, "it is a CA's, not a client's")
	case cert.MaxPathLen > 0 || cert.MaxPathLenZero:
		return refuse(CodePathLength, "it has a path length, which only a CA has")
	case cert.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return refuse(CodeCertSign, "its key usage allows signing certificates or CRLs")
	}
	for _, e := range cert.Extensions {
		for _, last := range []int{30, 33, 36, 54} { // name constraints, policy mappings, policy constraints, inhibit any policy
			if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, last}) {
				return refuse(CodeExtension, "it has the extension "+e.Id.String()+", which only a CA has")
			}
		}
	}
	return nil
}

// checkUsage wants what Postern certifies: digitalSignature and clientAuth. More
// than that was not made by it, though the CA's key has signed it.
func checkUsage(cert *x509.Certificate) error {
	switch count := len(cert.ExtKeyUsage) + len(cert.UnknownExtKeyUsage); {
	case cert.KeyUsage != x509.KeyUsageDigitalSignature:
		return refuse(CodeKeyUsage, "its key usage is not exactly digitalSignature")
	case count == 0:
		return refuse(CodeNoUsage, "it has no extended key usage")
	case slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny):
		return refuse(CodeAnyUsage, "it is for any extended key usage")
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return refuse(CodeNoClient, "it is not for client authentication")
	case count > 1:
		return refuse(CodeOtherUsage, "it is for more than client authentication")
	}
	return nil
}

func checkCritical(cert *x509.Certificate) error {
	if len(cert.UnhandledCriticalExtensions) > 0 {
		return refuse(CodeCritical,
			"it has the critical extension "+cert.UnhandledCriticalExtensions[0].String()+", which is not understood")
	}
	return nil
}

func checkKey(cert *x509.Certificate) error {
	if problem := KeyProblem(cert.PublicKey); problem != "" {
		return refuse(CodeKey, "its key is not accepted: "+problem)
	}
	return nil
}
