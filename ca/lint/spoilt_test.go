package lint

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

// spoil is one way to spoil a client certificate, and the lint that must see it.
type spoil struct {
	lint     string
	template func(*x509.Certificate)
	fields   func(*fields)
	der      func([]byte) []byte
}

func spoilt() map[string]spoil {
	all := make(map[string]spoil)
	for _, some := range []map[string]spoil{spoiltFields(), spoiltNames(), spoiltExtensions()} {
		for what, s := range some {
			all[what] = s
		}
	}
	return all
}

func spoiltFields() map[string]spoil {
	return map[string]spoil{
		"version 1":              {lint: "profile_version", fields: func(f *fields) { f.Version, f.Extensions = 0, nil }},
		"version 2":              {lint: "profile_version", fields: func(f *fields) { f.Version = 1 }},
		"version 4":              {lint: "profile_version", fields: func(f *fields) { f.Version = 3 }},
		"negative serial":        {lint: "profile_serial_positive", fields: func(f *fields) { f.Serial.Neg(f.Serial) }},
		"serial 0":               {lint: "profile_serial_positive", fields: func(f *fields) { f.Serial = big.NewInt(0) }},
		"serial of 21 bytes":     {lint: "profile_serial_length", fields: func(f *fields) { f.Serial.Lsh(f.Serial, 40) }},
		"serial from a counter":  {lint: "profile_serial_entropy", fields: func(f *fields) { f.Serial = big.NewInt(4711) }},
		"another's algorithm":    {lint: "profile_signature_algorithm", fields: func(f *fields) { f.Algorithm = raw(0x30, 5, 6, 3, 0x2b, 0x65, 0x70) }},
		"another issuer":         {lint: "profile_issuer", fields: func(f *fields) { f.Issuer = f.Subject }},
		"valid for too long":     {lint: "profile_validity_length", template: func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) }},
		"longer than its issuer": {lint: "profile_validity_issuer", template: func(c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(20, 0, 0) }},
		"over before it begins": {lint: "profile_validity_positive", template: func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = c.NotAfter, c.NotBefore
		}},
		"without end": {lint: "profile_validity_issuer", template: func(c *x509.Certificate) {
			c.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		}},
		"time without seconds": {lint: "profile_time_encoding", fields: func(f *fields) {
			f.Validity = raw(append([]byte{0x30, 28, 23, 11}, "2611211200Z\x17\x0d281121120000Z"...)...)
		}},
		"time with an offset": {lint: "profile_time_encoding", fields: func(f *fields) {
			f.Validity = raw(append([]byte{0x30, 34, 23, 17}, "261121120000+0100\x17\x0d281121120000Z"...)...)
		}},
		"30 February": {lint: "profile_time_encoding", fields: func(f *fields) {
			f.Validity = raw(append([]byte{0x30, 30, 23, 13}, "270230120000Z\x17\x0d281121120000Z"...)...)
		}},
		"GeneralizedTime before 2050": {lint: "profile_time_encoding", fields: func(f *fields) {
			f.Validity = raw(append([]byte{0x30, 32, 23, 13}, "261121120000Z\x18\x0f20281121120000Z"...)...)
		}},
		"unique identifier": {lint: "profile_unique_identifier", fields: func(f *fields) { f.UniqueID = asn1.BitString{Bytes: []byte{1}, BitLength: 8} }},
		"no extensions":     {lint: "profile_structure", fields: func(f *fields) { f.Extensions = nil }},
		"something behind":  {lint: "profile_structure", der: func(b []byte) []byte { return append(b, 5, 0) }},
		"cut short":         {lint: "profile_structure", der: func(b []byte) []byte { return b[:len(b)-1] }},
		"P-224 key": {lint: "profile_public_key", fields: func(f *fields) {
			f.Key.FullBytes = bytes.Replace(f.Key.FullBytes, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1}, 1)
		}},
		"compressed point": {lint: "profile_public_key", fields: func(f *fields) { f.Key.FullBytes[26] = 2 }},
		"another key than the identifier says": {lint: "profile_subject_key_identifier", fields: func(f *fields) {
			f.Key.FullBytes[len(f.Key.FullBytes)-1] ^= 1
		}},
	}
}

func spoiltNames() map[string]spoil {
	subject := func(lint string, change func(*pkix.Name)) spoil {
		return spoil{lint: lint, template: func(c *x509.Certificate) { change(&c.Subject) }}
	}
	encoded := func(lint string, tag byte, cn string) spoil {
		return spoil{lint: lint, fields: func(f *fields) {
			o := []byte{0x31, 13, 0x30, 11, 6, 3, 0x55, 4, 10, 0x13, 4, 'A', 'c', 'm', 'e'}
			n := byte(len(cn))
			part := append([]byte{0x31, n + 9, 0x30, n + 7, 6, 3, 0x55, 4, 3, tag, n}, cn...)
			f.Subject = raw(append([]byte{0x30, byte(len(o) + len(part))}, append(o, part...)...)...)
		}}
	}
	san := func(id string) spoil {
		return spoil{lint: "profile_subject_alternative_name", template: func(c *x509.Certificate) {
			u, err := url.Parse(id)
			if err != nil {
				panic(err)
			}
			c.URIs = []*url.URL{u}
		}}
	}
	return map[string]spoil{
		"broken UTF-8":               encoded("profile_subject_characters", 0x0c, "Gr\xf6\xdfen"),
		"overlong UTF-8":             encoded("profile_subject_characters", 0x0c, "a\xc0\xafb"),
		"PrintableString with ö":     encoded("profile_subject_encoding", 0x13, "Größen"),
		"PrintableString with @":     encoded("profile_subject_encoding", 0x13, "a@b"),
		"BMPString":                  encoded("profile_subject_encoding", 0x1e, "\x00a"),
		"TeletexString":              encoded("profile_subject_encoding", 0x14, "a"),
		"IA5String":                  encoded("profile_subject_encoding", 0x16, "a"),
		"empty CN":                   encoded("profile_subject_characters", 0x0c, ""),
		"NUL in the CN":              encoded("profile_subject_characters", 0x0c, "pay\x00ments"),
		"line break in the CN":       encoded("profile_subject_characters", 0x0c, "pay\nments"),
		"space before the CN":        encoded("profile_subject_characters", 0x0c, " payments"),
		"space after the CN":         encoded("profile_subject_characters", 0x13, "payments "),
		"CN of 65 characters":        encoded("profile_subject_characters", 0x0c, strings.Repeat("a", 65)),
		"no CN":                      subject("profile_subject", func(n *pkix.Name) { n.CommonName = "" }),
		"no O":                       subject("profile_subject", func(n *pkix.Name) { n.Organization = nil }),
		"empty subject":              subject("profile_extension_criticality", func(n *pkix.Name) { *n = pkix.Name{} }),
		"two O":                      subject("profile_subject", func(n *pkix.Name) { n.Organization = []string{"Acme", "Bank"} }),
		"an OU":                      subject("profile_subject", func(n *pkix.Name) { n.OrganizationalUnit = []string{"Ops"} }),
		"a country":                  subject("profile_subject", func(n *pkix.Name) { n.Country = []string{"CH"} }),
		"serialNumber of 65 letters": subject("profile_subject_characters", func(n *pkix.Name) { n.SerialNumber = strings.Repeat("a", 65) }),
		"serialNumber in UTF-8":      subject("profile_subject_encoding", func(n *pkix.Name) { n.SerialNumber = "größen" }),
		"another trust domain":       san("spiffe://example.org/org/acme/service/payments"),
		"a service without a name":   san("spiffe://example.com/org/acme/service/"),
		"an id with a longer path":   san("spiffe://example.com/org/acme/service/payments/admin"),
		"an id with dots":            san("spiffe://example.com/org/../service/payments"),
		"another URI":                san("https://example.com/org/acme/service/payments"),
		"a CA's id":                  san("spiffe://example.com"),
		"a host's name as well": {lint: "profile_subject_alternative_name", template: func(c *x509.Certificate) {
			c.DNSNames = []string{"acme.example"}
		}},
		"two ids":             {lint: "profile_subject_alternative_name", template: func(c *x509.Certificate) { c.URIs = append(c.URIs, c.URIs[0]) }},
		"an address's number": {lint: "profile_subject_alternative_name", template: func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }},
		"an e-mail address":   {lint: "profile_subject_alternative_name", template: func(c *x509.Certificate) { c.EmailAddresses = []string{"a@acme.example"} }},
	}
}

func spoiltExtensions() map[string]spoil {
	add := func(e pkix.Extension) func(*fields) {
		return func(f *fields) { f.Extensions = append(f.Extensions, e) }
	}
	value := func(n int, lint string, b ...byte) spoil {
		return spoil{lint: lint, fields: func(f *fields) { f.find(n).Value = b }}
	}
	usages := func(lint string, all ...x509.ExtKeyUsage) spoil {
		return spoil{lint: lint, template: func(c *x509.Certificate) { c.ExtKeyUsage = all }}
	}
	out := map[string]spoil{
		"CA:TRUE":                      value(19, "profile_basic_constraints", 0x30, 3, 1, 1, 0xff),
		"CA:FALSE, encoded":            value(19, "profile_basic_constraints", 0x30, 3, 1, 1, 0),
		"a path length":                value(19, "profile_basic_constraints", 0x30, 3, 2, 1, 0),
		"key usage of a CA":            value(15, "profile_key_usage", 3, 2, 1, 6),
		"key usage with encipherment":  value(15, "profile_key_usage", 3, 2, 5, 0xa0),
		"key usage without bits":       value(15, "profile_key_usage", 3, 1, 0),
		"key usage not DER":            value(15, "profile_key_usage", 3, 2, 0, 0x80),
		"another CA's key identifier":  value(35, "profile_authority_key_identifier", append([]byte{0x30, 22, 0x80, 20}, bytes.Repeat([]byte{7}, 20)...)...),
		"an empty one":                 value(35, "profile_authority_key_identifier", 0x30, 0),
		"a short key identifier":       value(14, "profile_subject_key_identifier", 4, 1, 9),
		"an empty extension":           value(14, "profile_subject_key_identifier"),
		"for servers":                  usages("profile_validity_length", x509.ExtKeyUsageServerAuth),
		"for clients and servers":      usages("profile_extended_key_usage", x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth),
		"for OCSP":                     usages("profile_validity_length", x509.ExtKeyUsageOCSPSigning),
		"for anything":                 usages("profile_extended_key_usage", x509.ExtKeyUsageAny),
		"for code":                     usages("profile_extended_key_usage", x509.ExtKeyUsageCodeSigning),
		"for nothing":                  usages("profile_extended_key_usage"),
		"no extended usage, and a CA":  {lint: "profile_extended_key_usage", template: func(c *x509.Certificate) { c.ExtKeyUsage, c.IsCA = nil, true }},
		"another OCSP address":         {lint: "profile_authority_information_access", template: func(c *x509.Certificate) { c.OCSPServer[0] += "/x" }},
		"no OCSP address":              {lint: "profile_authority_information_access", template: func(c *x509.Certificate) { c.OCSPServer = nil }},
		"another CRL address":          {lint: "profile_crl_distribution_points", template: func(c *x509.Certificate) { c.CRLDistributionPoints[0] += "x" }},
		"two CRL addresses":            {lint: "profile_crl_distribution_points", template: func(c *x509.Certificate) { c.CRLDistributionPoints = append(c.CRLDistributionPoints, "http://x/y.crl") }},
		"an unknown extension":         {lint: "profile_extension_unexpected", fields: add(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}})},
		"a critical unknown extension": {lint: "profile_extension_unexpected", fields: add(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})},
		"a policy": {lint: "profile_extension_unexpected", fields: add(pkix.Extension{
			Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: []byte{0x30, 6, 0x30, 4, 6, 2, 0x2a, 3},
		})},
		"a name constraint": {lint: "profile_extension_unexpected", template: func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com"} }},
		"OCSP not checked": {lint: "profile_extension_unexpected", fields: add(pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0},
		})},
		"a duplicate": {lint: "profile_extension_duplicate", fields: func(f *fields) { f.Extensions = append(f.Extensions, *f.find(37)) }},
		"another one": {lint: "profile_extension_duplicate", fields: func(f *fields) { f.Extensions = append(f.Extensions, *f.find(17)) }},
	}
	for n, name := range map[int]string{15: "key usage", 19: "constraints", 14: "SKI", 35: "AKI", 17: "SAN", 31: "CRL address", 1: "AIA", 37: "EKU"} {
		missing := "profile_extension_missing"
		if n == 37 {
			missing = "profile_extended_key_usage"
		}
		out["no "+name] = spoil{lint: missing, fields: func(f *fields) { f.drop(n) }}
		out["criticality of "+name] = spoil{lint: "profile_extension_criticality", fields: func(f *fields) { f.find(n).Critical = !f.find(n).Critical }}
	}
	return out
}
