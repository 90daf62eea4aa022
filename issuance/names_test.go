package issuance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSameNames(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name := pkix.Name{Organization: []string{"Acme"}, CommonName: "payments"}
	id := &url.URL{Scheme: "spiffe", Host: "example.com", Path: "/org/acme/service/payments"}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: name, URIs: []*url.URL{id}},
		&x509.Certificate{Subject: name}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	other := &url.URL{Scheme: "spiffe", Host: "example.com", Path: "/org/acme/service/reports"}
	for what, tc := range map[string]struct {
		csr  x509.CertificateRequest
		want string // part of the refusal
	}{
		"the same":             {x509.CertificateRequest{Subject: name, URIs: []*url.URL{id}}, ""},
		"another string type":  {x509.CertificateRequest{RawSubject: utf8Name("Acme", "payments"), URIs: []*url.URL{id}}, ""},
		"another case":         {x509.CertificateRequest{RawSubject: utf8Name("ACME", "payments"), URIs: []*url.URL{id}}, "subject"},
		"no subject":           {x509.CertificateRequest{URIs: []*url.URL{id}}, "subject"},
		"one attribute less":   {x509.CertificateRequest{Subject: pkix.Name{CommonName: "payments"}, URIs: []*url.URL{id}}, "subject"},
		"one attribute more":   {x509.CertificateRequest{Subject: pkix.Name{Organization: []string{"Acme"}, CommonName: "payments", Country: []string{"CH"}}, URIs: []*url.URL{id}}, "subject"},
		"another service":      {x509.CertificateRequest{Subject: name, URIs: []*url.URL{other}}, "alternative"},
		"two services":         {x509.CertificateRequest{Subject: name, URIs: []*url.URL{id, other}}, "alternative"},
		"a host's name":        {x509.CertificateRequest{Subject: name, URIs: []*url.URL{id}, DNSNames: []string{"acme.example"}}, "alternative"},
		"no alternative name":  {x509.CertificateRequest{Subject: name}, "alternative"},
		"other extensions too": {x509.CertificateRequest{Subject: name, URIs: []*url.URL{id}, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Value: []byte{0x30, 3, 1, 1, 0xff}}}}, ""},
	} {
		csr, err := x509.CreateCertificateRequest(rand.Reader, &tc.csr, key)
		if err != nil {
			t.Fatal(err)
		}
		err = sameNames(csr, cert)
		if tc.want == "" && err != nil || tc.want != "" && (CodeOf(err) != CodeCSR || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", what, err, tc.want)
		}
	}
	same, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: name, URIs: []*url.URL{id}}, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := sameNames(withChange(t, same), cert); CodeOf(err) != CodeCSR || !strings.Contains(err.Error(), "ChangeSubjectName") {
		t.Errorf("a change of names: %v", err)
	}
	if err := sameNames([]byte("rubbish"), cert); CodeOf(err) != CodeCSR {
		t.Errorf("rubbish: %v", err)
	}
}

// withChange adds the attribute ChangeSubjectName to a CSR, whose signature is void then.
func withChange(t *testing.T, csr []byte) []byte {
	t.Helper()
	var request struct{ Info, Algorithm, Signature asn1.RawValue }
	var info struct {
		Version      int
		Subject, Key asn1.RawValue
		Attributes   []asn1.RawValue `asn1:"tag:0"`
	}
	_, err := asn1.Unmarshal(csr, &request)
	if err == nil {
		_, err = asn1.Unmarshal(request.Info.FullBytes, &info)
	}
	if err != nil {
		t.Fatal(err)
	}
	change := []byte{0x30, 14, 6, 8, 0x2b, 6, 1, 5, 5, 7, 7, 36, 0x31, 2, 0x30, 0}
	info.Attributes = append(info.Attributes, asn1.RawValue{FullBytes: change})
	if request.Info.FullBytes, err = asn1.Marshal(info); err == nil {
		csr, err = asn1.Marshal(request)
	}
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// utf8Name is a name in UTF8String, where Go writes PrintableString.
func utf8Name(organization, common string) []byte {
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value string `asn1:"utf8"`
	}
	type setSET []attribute
	der, err := asn1.Marshal([]setSET{{{asn1.ObjectIdentifier{2, 5, 4, 10}, organization}}, {{asn1.ObjectIdentifier{2, 5, 4, 3}, common}}})
	if err != nil {
		panic(err)
	}
	return der
}

// TestSameNamesPassesTheRestOver: a request that the standard library's parser refuses
// is judged by its names alone. Who renews got its first certificate with it.
func TestSameNamesPassesTheRestOver(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name := pkix.Name{Organization: []string{"Größen AG"}, CommonName: "payments", SerialNumber: "acme-2.payments"}
	id := &url.URL{Scheme: "spiffe", Host: "example.com", Path: "/org/acme-2/service/payments"}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: name, URIs: []*url.URL{id}},
		&x509.Certificate{Subject: name}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(tag int, s string) asn1.RawValue { return asn1.RawValue{Tag: tag, Bytes: []byte(s)} }
	subject := func(organization asn1.RawValue, id string) []byte {
		type attribute struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		type setSET []attribute
		der, err := asn1.Marshal([]setSET{
			{{asn1.ObjectIdentifier{2, 5, 4, 10}, organization}},
			{{asn1.ObjectIdentifier{2, 5, 4, 3}, text(asn1.TagUTF8String, "payments")}},
			{{asn1.ObjectIdentifier{2, 5, 4, 5}, text(asn1.TagPrintableString, id)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	utf8 := text(asn1.TagUTF8String, "Größen AG")
	extension := func(n int, value ...byte) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, n}, Value: value}
	}
	twice := []pkix.Extension{extension(15, 3, 2, 7, 0x80), extension(15, 3, 2, 7, 0x80)}
	for what, tc := range map[string]struct {
		csr    x509.CertificateRequest
		strict bool // the standard library refuses it
		want   Code
	}{
		"an extension twice":   {x509.CertificateRequest{RawSubject: subject(utf8, "acme-2.payments"), URIs: []*url.URL{id}, ExtraExtensions: twice}, true, ""},
		"another's id":         {x509.CertificateRequest{RawSubject: subject(utf8, "acme.payments"), URIs: []*url.URL{id}, ExtraExtensions: twice}, true, CodeCSR},
		"a TeletexString":      {x509.CertificateRequest{RawSubject: subject(text(asn1.TagT61String, "Gr\xf6\xdfen AG"), "acme-2.payments"), URIs: []*url.URL{id}}, false, ""},
		"a BMPString":          {x509.CertificateRequest{RawSubject: subject(text(asn1.TagBMPString, "\x00G\x00r\x00\xf6\x00\xdf\x00e\x00n\x00 \x00A\x00G"), "acme-2.payments"), URIs: []*url.URL{id}}, false, ""},
		"a printable one":      {x509.CertificateRequest{RawSubject: subject(text(asn1.TagPrintableString, "Größen AG"), "acme-2.payments"), URIs: []*url.URL{id}}, true, ""},
		"no serialNumber":      {x509.CertificateRequest{Subject: pkix.Name{Organization: name.Organization, CommonName: "payments"}, URIs: []*url.URL{id}}, false, CodeCSR},
		"alternative names ×2": {x509.CertificateRequest{RawSubject: subject(utf8, "acme-2.payments"), URIs: []*url.URL{id}, ExtraExtensions: []pkix.Extension{extension(17, 0x30, 0), extension(17, 0x30, 0)}}, true, CodeCSR},
	} {
		csr := unchecked(t, &tc.csr, key)
		if _, err := x509.ParseCertificateRequest(csr); (err != nil) != tc.strict {
			t.Errorf("%s: the standard library says %v", what, err)
		}
		if err := sameNames(csr, cert); CodeOf(err) != tc.want {
			t.Errorf("%s: got %v, want %q", what, err, tc.want)
		}
	}
}

// unchecked makes a request even of what CreateCertificateRequest refuses to make of an
// unreadable subject or of extensions: its signature is no matter here.
func unchecked(t *testing.T, template *x509.CertificateRequest, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err == nil {
		return csr
	}
	plain := *template
	plain.RawSubject, plain.Subject = nil, pkix.Name{CommonName: "x"}
	csr, err = x509.CreateCertificateRequest(rand.Reader, &plain, key)
	if err != nil {
		t.Fatal(err)
	}
	var request struct{ Info, Algorithm, Signature asn1.RawValue }
	var info struct {
		Version      int
		Subject, Key asn1.RawValue
		Attributes   []asn1.RawValue `asn1:"tag:0"`
	}
	if _, err = asn1.Unmarshal(csr, &request); err == nil {
		_, err = asn1.Unmarshal(request.Info.FullBytes, &info)
	}
	info.Subject = asn1.RawValue{FullBytes: template.RawSubject}
	if err == nil {
		request.Info.FullBytes, err = asn1.Marshal(info)
	}
	if err == nil {
		csr, err = asn1.Marshal(request)
	}
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func TestARequestThatIsNone(t *testing.T) {
	for _, csr := range []string{"", "rubbish", "\x30\x00", "\x30\x02\x30\x00", "\x30\x80"} {
		if _, ok := readAsked([]byte(csr)); ok {
			t.Errorf("%q is taken for a request", csr)
		}
	}
}

// TestSameNamesInAnyScript reads the CSR that openssl writes for a name that is no ASCII.
func TestSameNamesInAnyScript(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "client.key")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, called := range []string{"my page", "Größen & Co, 页面"} {
		name := pkix.Name{Organization: []string{"Acme"}, CommonName: called}
		id := &url.URL{Scheme: "spiffe", Host: "example.com", Path: "/org/acme/service/page"}
		cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: name, URIs: []*url.URL{id}},
			&x509.Certificate{Subject: name}, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		for subject, want := range map[string]Code{"/O=Acme/CN=" + called: "", "/O=Acme/CN=page": CodeCSR} {
			csr, err := exec.CommandContext(t.Context(), "openssl", "req", "-new", "-key", file, "-utf8", "-subj", subject,
				"-addext", "subjectAltName=URI:"+id.String(), "-outform", "DER").Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := sameNames(csr, cert); CodeOf(err) != want {
				t.Errorf("a CSR with %s for the certificate of %q: got %v, want %q", subject, called, err, want)
			}
		}
	}
}
