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

func TestAChangeOfNamesIsSeen(t *testing.T) {
	null := asn1.RawValue{FullBytes: []byte{5, 0}}
	info := func(attributes ...asn1.ObjectIdentifier) []byte {
		type attribute struct {
			Type   asn1.ObjectIdentifier
			Values []asn1.RawValue `asn1:"set"`
		}
		all := []attribute{}
		for _, a := range attributes {
			all = append(all, attribute{a, []asn1.RawValue{null}})
		}
		der, err := asn1.Marshal(struct {
			Version      int
			Subject, Key asn1.RawValue
			Attributes   []attribute `asn1:"tag:0"`
		}{0, null, null, all})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	extensions, change := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 36}
	for what, tc := range map[string]struct {
		raw  []byte
		want bool
	}{
		"no attributes":    {info(), false},
		"extensions":       {info(extensions), false},
		"a change":         {info(change), true},
		"a change as well": {info(extensions, change), true},
		"rubbish":          {[]byte("rubbish"), true},
	} {
		if got := asksForChange(tc.raw); got != tc.want {
			t.Errorf("%s: got %v, want %v", what, got, tc.want)
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
