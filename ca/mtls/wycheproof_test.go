package mtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The vectors are read from the module cache: a requirement in go.mod would put
// 100 MB before everybody who imports this module. The sum pins their content.
const (
	wycheproof    = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
	wycheproofSum = "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c="
)

// vectors is a file of Wycheproof, as far as it is used.
type vectors struct {
	TestGroups []struct {
		PublicKeyDer string
		SLen         int
		Tests        []vector
	}
}

type vector struct {
	TCID                      int `json:"tcId"`
	Comment, Msg, Sig, Result string
	Flags                     []string
}

// TestWycheproof feeds Google's and C2SP's vectors to the check of signatures: all
// kinds that it accepts, with the keys that Postern's CAs may have. There is no
// deviation: what Wycheproof calls "acceptable" (PKCS #1 v1.5 without the NULL that
// RFC 8017, section 9.2, wants) is refused. That an ECDSA signature has a twin,
// which Wycheproof calls valid, is dealt with in TestWhatIsLetIn.
func TestWycheproof(t *testing.T) {
	dir := wycheproofDir(t)
	files := map[string]x509.SignatureAlgorithm{
		"ecdsa_secp256r1_sha256": x509.ECDSAWithSHA256, "ecdsa_secp256r1_sha512": x509.ECDSAWithSHA512,
		"ecdsa_secp384r1_sha256": x509.ECDSAWithSHA256, "ecdsa_secp384r1_sha384": x509.ECDSAWithSHA384, "ecdsa_secp384r1_sha512": x509.ECDSAWithSHA512,
		"rsa_signature_2048_sha256": x509.SHA256WithRSA, "rsa_signature_2048_sha384": x509.SHA384WithRSA, "rsa_signature_2048_sha512": x509.SHA512WithRSA,
		"rsa_signature_3072_sha256": x509.SHA256WithRSA, "rsa_signature_3072_sha384": x509.SHA384WithRSA, "rsa_signature_3072_sha512": x509.SHA512WithRSA,
		"rsa_signature_4096_sha256": x509.SHA256WithRSA, "rsa_signature_4096_sha384": x509.SHA384WithRSA, "rsa_signature_4096_sha512": x509.SHA512WithRSA,
		"rsa_pss_2048_sha256_mgf1_32": x509.SHA256WithRSAPSS, "rsa_pss_3072_sha256_mgf1_32": x509.SHA256WithRSAPSS, "rsa_pss_4096_sha256_mgf1_32": x509.SHA256WithRSAPSS,
		"rsa_pss_2048_sha384_mgf1_48": x509.SHA384WithRSAPSS, "rsa_pss_4096_sha384_mgf1_48": x509.SHA384WithRSAPSS, "rsa_pss_4096_sha512_mgf1_64": x509.SHA512WithRSAPSS,
		"ed25519": x509.PureEd25519,
	}
	total := 0
	for name, algorithm := range files {
		t.Run(name, func(t *testing.T) {
			var v vectors
			data, err := os.ReadFile(filepath.Join(dir, "testvectors_v1", name+"_test.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &v); err != nil {
				t.Fatal(err)
			}
			for _, group := range v.TestGroups {
				key, err := x509.ParsePKIXPublicKey(unhex(t, group.PublicKeyDer))
				if err != nil {
					t.Fatalf("reading a key: %v", err)
				}
				issuer := &x509.Certificate{PublicKey: key, PublicKeyAlgorithm: kindOf(key)}
				for _, test := range group.Tests {
					total++
					err := checkSignature(issuer, algorithm, unhex(t, test.Msg), unhex(t, test.Sig))
					if (err == nil) == (test.Result == "valid") {
						continue
					}
					t.Errorf("%d (%s, %s, %v): got %v", test.TCID, test.Comment, test.Result, test.Flags, err)
				}
			}
		})
	}
	t.Logf("%d vectors", total)
	if total < 5000 {
		t.Errorf("%d vectors were tried, want thousands", total)
	}
}

// TestOtherSignaturesAreRefusedByName: kinds that Wycheproof has and the check
// refuses by name, whatever the signature.
func TestOtherSignaturesAreRefusedByName(t *testing.T) {
	key := testKey(t)
	issuer := &x509.Certificate{PublicKey: key.Public(), PublicKeyAlgorithm: x509.ECDSA}
	for _, algorithm := range []x509.SignatureAlgorithm{
		x509.UnknownSignatureAlgorithm, x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1,
	} {
		if err := checkSignature(issuer, algorithm, nil, nil); codeOf(err) != CodeWeakHash {
			t.Errorf("%s: got %v, want %s", algorithm, err, CodeWeakHash)
		}
	}
	message := []byte("message")
	sum := crypto.SHA1.New()
	sum.Write(message)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSignature(issuer, x509.ECDSAWithSHA1, message, signature); codeOf(err) != CodeWeakHash {
		t.Errorf("a right signature over SHA-1: got %v, want %s", err, CodeWeakHash)
	}
}

func kindOf(key any) x509.PublicKeyAlgorithm {
	switch key.(type) {
	case *ecdsa.PublicKey:
		return x509.ECDSA
	case ed25519.PublicKey:
		return x509.Ed25519
	}
	return x509.RSA
}

// wycheproofDir returns where the vectors lie, and has them fetched if need be.
func wycheproofDir(t *testing.T) string {
	t.Helper()
	command := exec.Command("go", "mod", "download", "-json", wycheproof)
	command.Dir = t.TempDir() // outside of the module, whose go.sum is not touched
	out, err := command.Output()
	var module struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil || err != nil {
		t.Fatalf("fetching %s: %v %s", wycheproof, err, module.Error)
	}
	if module.Sum != wycheproofSum {
		t.Fatalf("%s has the sum %s, want %s", wycheproof, module.Sum, wycheproofSum)
	}
	return module.Dir
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	out, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// otherSignature returns (r, n-s) for the signature (r, s) on P-256.
func otherSignature(t *testing.T, signature []byte) []byte {
	t.Helper()
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &pair); err != nil {
		t.Fatal(err)
	}
	pair.S.Sub(elliptic.P256().Params().N, pair.S)
	out, err := asn1.Marshal(pair)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
