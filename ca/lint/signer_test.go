package lint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// counting is a key that counts what it signs.
type counting struct {
	crypto.Signer
	signed int
}

func (c *counting) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	c.signed++
	return c.Signer.Sign(r, digest, o)
}

// start is when the tests' certificates are made.
func start() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// kit is an issuing CA whose key counts.
type kit struct {
	key     *counting
	guard   *Signer
	issuer  *x509.Certificate
	client  crypto.PublicKey
	refused []string
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	return key
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKit(t testing.TB) *kit {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"Bank"}, CommonName: "Issuing"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: start().AddDate(-1, 0, 0), NotAfter: start().AddDate(9, 0, 0), SubjectKeyId: make([]byte, 20),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ok(t, err)
	k := &kit{key: &counting{Signer: key}, client: newKey(t).Public()}
	k.issuer, err = x509.ParseCertificate(der)
	ok(t, err)
	k.guard, err = New(k.key, Rules{
		Issuer: k.issuer, Kinds: []Kind{Client, Server, Responder, CRL}, TrustDomain: "example.com", CRL: "http://pki.example.com/pki/crl/issuing-1.crl",
		Certificate: "http://pki.example.com/pki/issuing-1.cer", OCSP: "http://pki.example.com/ocsp",
		Validity: issuance.Period{Years: 2}, Backdate: time.Hour, Refused: func(r *Refusal) { k.refused = append(k.refused, r.Lint) },
	})
	ok(t, err)
	return k
}

// template is a client certificate that passes.
func (k *kit) template(t testing.TB) *x509.Certificate {
	t.Helper()
	return &x509.Certificate{
		SerialNumber: issuance.NewSerial().Int(), Subject: pkix.Name{Organization: []string{"Acme"}, CommonName: "payments"},
		NotBefore: start().Add(-time.Hour), NotAfter: start().AddDate(2, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, SubjectKeyId: keyIDOf(t, k.client),
		URIs:       []*url.URL{{Scheme: "spiffe", Host: "example.com", Path: "/org/acme/service/payments"}},
		OCSPServer: []string{"http://pki.example.com/ocsp"}, IssuingCertificateURL: []string{"http://pki.example.com/pki/issuing-1.cer"},
		CRLDistributionPoints: []string{"http://pki.example.com/pki/crl/issuing-1.crl"},
	}
}

func keyIDOf(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key)
	ok(t, err)
	sum := sha256.Sum256(spki[len(spki)-65:])
	return sum[:20]
}

// tbs returns what signing template would sign, whatever it is, taken apart.
func (k *kit) tbs(t testing.TB, template *x509.Certificate) *fields {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, k.issuer, k.client, k.key.Signer)
	ok(t, err)
	var c struct {
		TBS                  fields
		Algorithm, Signature asn1.RawValue
	}
	_, err = asn1.Unmarshal(der, &c)
	ok(t, err)
	return &c.TBS
}

// fields are those of a TBSCertificate, to be spoilt one by one.
type fields struct {
	Raw        asn1.RawContent
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Algorithm  asn1.RawValue
	Issuer     asn1.RawValue
	Validity   asn1.RawValue
	Subject    asn1.RawValue
	Key        asn1.RawValue
	UniqueID   asn1.BitString   `asn1:"optional,tag:2"`
	Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
}

func (f *fields) der(t testing.TB) []byte {
	t.Helper()
	f.Raw = nil
	der, err := asn1.Marshal(*f)
	ok(t, err)
	return der
}

// find returns the extension with an id-ce number, or that of AIA for 1.
func (f *fields) find(n int) *pkix.Extension {
	id := asn1.ObjectIdentifier{2, 5, 29, n}
	if n == 1 {
		id = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	}
	i := slices.IndexFunc(f.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(id) })
	return &f.Extensions[i]
}

func (f *fields) drop(n int) {
	e := *f.find(n)
	f.Extensions = slices.DeleteFunc(f.Extensions, func(o pkix.Extension) bool { return o.Id.Equal(e.Id) })
}

func raw(b ...byte) asn1.RawValue { return asn1.RawValue{FullBytes: b} }

// TestWhatDoesNotPassIsNotSigned spoils client certificates in every way that it can
// think of. The key behind the lints must not be used for one of them.
func TestWhatDoesNotPassIsNotSigned(t *testing.T) {
	k := newKit(t)
	good := k.tbs(t, k.template(t)).der(t)
	if _, err := k.guard.SignMessage(rand.Reader, good, crypto.SHA256); err != nil || k.key.signed != 1 {
		t.Fatalf("what is as it should be: %v, %d signatures", err, k.key.signed)
	}
	for what, c := range spoilt() {
		t.Run(what, func(t *testing.T) {
			template := k.template(t)
			if c.template != nil {
				c.template(template)
			}
			f := k.tbs(t, template)
			if c.fields != nil {
				c.fields(f)
			}
			der := f.der(t)
			if c.der != nil {
				der = c.der(der)
			}
			before := len(k.refused)
			_, err := k.guard.SignMessage(rand.Reader, der, crypto.SHA256)
			r, is := errors.AsType[*Refusal](err)
			if !is || r.Lint != c.lint || !strings.Contains(err.Error(), c.lint) {
				t.Errorf("got %v, want a refusal by %s", err, c.lint)
			}
			if k.key.signed != 1 {
				t.Fatalf("%d signatures, want none but the first", k.key.signed)
			}
			if got := k.refused[before:]; len(got) != 1 || got[0] != c.lint {
				t.Errorf("told of %v, want %s", got, c.lint)
			}
		})
	}
}

// TestABareHashIsNotSigned: nobody can see what it is of.
func TestABareHashIsNotSigned(t *testing.T) {
	k := newKit(t)
	digest := sha256.Sum256([]byte("anything"))
	for _, opts := range []crypto.SignerOpts{crypto.SHA256, nil} {
		if _, err := k.guard.Sign(rand.Reader, digest[:], opts); err == nil {
			t.Errorf("a hash was signed, with options %v", opts)
		}
	}
	for _, message := range [][]byte{nil, {}, []byte("rubbish"), {0x30, 0}, {0x30, 3, 2, 1, 1}, digest[:]} {
		if _, err := k.guard.SignMessage(rand.Reader, message, crypto.SHA256); err == nil {
			t.Errorf("%q was signed", message)
		}
	}
	if k.key.signed != 0 {
		t.Errorf("%d signatures, want none", k.key.signed)
	}
}

// TestZlintIsAskedOnceForAShape: what passed in one certificate is not asked again for
// another of its shape, and is for one of another.
func TestZlintIsAskedOnceForAShape(t *testing.T) {
	k := newKit(t)
	asked := 0
	original := k.guard.linter
	k.guard.linter = func() (*linter, error) { asked++; return original() }
	sign := func(change func(*x509.Certificate), want int) {
		t.Helper()
		template := k.template(t)
		change(template)
		if _, err := k.guard.SignMessage(rand.Reader, k.tbs(t, template).der(t), crypto.SHA256); err != nil || asked != want {
			t.Errorf("%v, zlint asked %d times, want %d", err, asked, want)
		}
	}
	sign(func(*x509.Certificate) {}, 1)
	sign(func(c *x509.Certificate) { c.Subject.CommonName = "another" }, 1)
	sign(func(c *x509.Certificate) { c.Subject.CommonName = "Größen" }, 2) // UTF8String
	sign(func(c *x509.Certificate) { c.Subject.SerialNumber = "acme.payments" }, 3)
	sign(func(c *x509.Certificate) { c.Subject.SerialNumber = "acme.reports" }, 3)
}

// TestZlintItselfRefuses: a profile that let something through would not have the last word.
func TestZlintItselfRefuses(t *testing.T) {
	k := newKit(t)
	for lint, change := range map[string]func(*fields){
		"e_ext_san_uri_relative": func(f *fields) {
			f.find(17).Value = append([]byte{0x30, 6, 0x86, 4}, "acme"...)
		},
		"e_serial_number_not_positive":                    func(f *fields) { f.Serial = big.NewInt(-5) },
		"e_key_usage_and_extended_key_usage_inconsistent": func(f *fields) { f.find(15).Value = []byte{3, 2, 5, 0x20} },
	} {
		f := k.tbs(t, k.template(t))
		change(f)
		if r := k.guard.zlintCertificate(Client, f.der(t), nil); r == nil || !strings.Contains(r.Lint, "_") {
			t.Errorf("zlint finds nothing, want %s", lint)
		} else {
			t.Log(r.Lint, r.Reason)
		}
	}
}

// BenchmarkCheck is what each client certificate costs: less than a hundredth of
// signing it, which stands beside it. The first of a shape costs what whole does.
func BenchmarkCheck(b *testing.B) {
	k := newKit(b)
	tbs := k.tbs(b, k.template(b)).der(b)
	b.Run("each", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ok(b, k.guard.Check(tbs))
		}
	})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			clear(k.guard.passed)
			ok(b, k.guard.Check(tbs))
		}
	})
	b.Run("signing", func(b *testing.B) {
		template := k.template(b)
		for b.Loop() {
			_, err := x509.CreateCertificate(rand.Reader, template, k.issuer, k.client, k.key.Signer)
			ok(b, err)
		}
	})
}
