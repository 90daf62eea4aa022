package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// authorityKnownCSRs have keys whose private half anybody has, or can have.
func authorityKnownCSRs(f authorityForger) map[string]authorityCSRCase {
	const published, first = "its private key is published", "a number that anybody would try first"
	block, _ := pem.Decode([]byte(rfc9500P256))
	standard, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		f.t.Fatal(err)
	}
	modulus, err := base64.RawURLEncoding.DecodeString(rfc9500RSA4096)
	if err != nil {
		f.t.Fatal(err)
	}
	n, p := new(big.Int).SetBytes(modulus), f.prime(1024)
	scalar := func(c elliptic.Curve, d *big.Int) []byte {
		key, err := ecdsa.ParseRawPrivateKey(c, new(big.Int).Mod(d, c.Params().N).FillBytes(make([]byte, c.Params().BitSize/8)))
		if err != nil {
			f.t.Fatal(err)
		}
		return f.der(key, nil)
	}
	seed := func(s string) []byte {
		raw, err := hex.DecodeString(s)
		if err != nil {
			f.t.Fatal(err)
		}
		return f.der(ed25519.NewKeyFromSeed(raw), nil)
	}
	// The round in which Fermat's method finds them is (q - p)² / 8p.
	near := func(rounds int64) *big.Int {
		half := new(big.Int).Sqrt(new(big.Int).Mul(big.NewInt(2*rounds), p))
		return authorityNextPrime(new(big.Int).Add(p, half.Lsh(half, 1)))
	}
	return map[string]authorityCSRCase{
		"P-256 of RFC 9500":                      {f.der(standard, nil), published + " (RFC 9500)"},
		"RSA-4096 of RFC 9500, another exponent": {f.rsaRaw(n, big.NewInt(65539), nil), published + " (RFC 9500)"},
		"P-384 of RFC 6979":                      {scalar(elliptic.P384(), hexNumber("6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5")), published + " (RFC 6979)"},
		"Ed25519 of RFC 8032":                    {seed("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"), published + " (RFC 8032)"},
		"P-256, d = 1":                           {scalar(elliptic.P256(), big.NewInt(1)), first},
		"P-256, d = -1":                          {scalar(elliptic.P256(), big.NewInt(-1)), first},
		"P-384, d = 12345":                       {scalar(elliptic.P384(), big.NewInt(12345)), first},
		"P-384, d = 2^200":                       {scalar(elliptic.P384(), new(big.Int).Lsh(big.NewInt(1), 200)), first},
		"P-256, d = 0x1111...":                   {scalar(elliptic.P256(), hexNumber("1111111111111111111111111111111111111111111111111111111111111111")), first},
		"Ed25519, a seed of zeros":               {seed("0000000000000000000000000000000000000000000000000000000000000000"), first},
		"Ed25519, the base point":                {f.forge(authorityForgery{spki: authoritySPKI(authorityOIDs().ed25519, nil, mustHex("5866666666666666666666666666666666666666666666666666666666666666"))}), first},
		"RSA with a factor 8191":                 {f.rsaFactors(big.NewInt(8191), f.prime(2035), 65537), "small factor"},
		"RSA, found in round 5":                  {f.rsaFactors(p, near(5), 65537), "too close together"},
		"RSA, found in round 106":                {f.rsaFactors(p, near(106), 65537), "too close together"},
		"RSA, found in round 300":                {f.rsaFactors(p, near(300), 65537), ""},
	}
}

func hexNumber(s string) *big.Int { return new(big.Int).SetBytes(mustHex(s)) }

func mustHex(s string) []byte {
	raw, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return raw
}

const rfc9500P256 = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIObLW92AqkWunJXowVR2Z5/+yVPBaFHnEedDk5WJxk/BoAoGCCqGSM49
AwEHoUQDQgAEQiVI+I+3gv+17KN0RFLHKh5Vj71vc75eSOkyMsxFxbFsTNEMTLjV
uKFxOelIgsiZJXKZNCX0FBmrfpCkKklCcg==
-----END EC PRIVATE KEY-----
`

const rfc9500RSA4096 = "s4tJYOY75qjbqJqCl47x9jJE5Vd9jPWGFtXKV1nUnMjZNsM4qjy5sRHBSX5bUa9pLyYR5on3Z1SAwLD0w2VPQ6-F_oyK1zTg" +
	"QqitoF_XZQjgC6D3VsNEO76DPqfRANT7Nn7r1gvbZIZ3_H3rlCRNrRr47tHGWBLAPnxz9_NY6UG8ZkWP97uXpJqYoRgH4CwaO5rTOlc64YDh" +
	"_0Mq5VgMycq_q2AvMlvNoJfoe8em1040qH1gikP-suT_8fS452hqmEddtRpuvQgXKldBd0kkiyFVyLkG4NVA6Mso9MAK3J_kdYoaw2SrOeTh" +
	"VSiYVEQVP-7GrUxTSLLjj_VQ9fpYM5eTNzDICIG_Ee7o_jhtW1EoSamDmUOr89lyIHaXuOwkEaJhnVXKBCM8WiztxvKG2CnQ6Dcge3ZSmqJE" +
	"hyEmjcAVC7ewfnMxOnE-WJW6rzrf-mA5WMVn-FzyWx2AondWow0aUKHkaY7amhIrsKp6YPfNImyxFlz8-cqDCmBswPsUh_JJ5eDHHIhibFcS" +
	"gIHedsEjhLbUSLZ_DnEjru90qIWWA3R1VIPykKfeZkZeInsrFzGPikkFKwFF-6KDdyvCmltYEqzO46tigXAZ5UgH8oiXEre48wO6X-FH-cLz" +
	"Q0q3A8HZRnNDgqCjU_Tgy76iaku_Ic6eteedR1fX3gJ_IOU"

func TestKnownKeysAreRefused(t *testing.T) {
	for name, c := range authorityKnownCSRs(newAuthorityForger(t)) {
		t.Run(name, func(t *testing.T) {
			_, err := ReadCSR(c.csr)
			if c.want != "" {
				authorityCheckRefusal(t, err, c.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAListOfTheOperatorsIsAsked, before a signature is looked at.
func TestAListOfTheOperatorsIsAsked(t *testing.T) {
	f := newAuthorityForger(t)
	der := f.der(authorityKey(t, issuance.P256), nil)
	if _, err := CSRReader(func(crypto.PublicKey) string { return "" })(der); err != nil {
		t.Error(err)
	}
	_, err := CSRReader(func(crypto.PublicKey) string { return "it is on a list" })(der)
	authorityCheckRefusal(t, err, "it is on a list")
}
