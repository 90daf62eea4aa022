package ca

import (
	"crypto/rsa"
	"fmt"
	"math/big"

	"github.com/titanous/rocacheck"
)

// rsaProblem says why an RSA key must not be certified, "" if nothing speaks
// against it: NIST SP 800-89, section 5.3.3, and the known ways in which moduli
// went wrong. Sizes are the three that issuance.KeyAlgorithm names: every tool
// makes them, and an odd size is a sign of a home-made key.
func rsaProblem(n, e *big.Int) string {
	switch bits := n.BitLen(); {
	case n.Sign() <= 0:
		return "its RSA modulus is not positive"
	case bits != 2048 && bits != 3072 && bits != 4096:
		return fmt.Sprintf("its RSA modulus has %d bits, not 2048, 3072 or 4096", bits)
	case n.Bit(0) == 0:
		return "its RSA modulus is even"
	case e.Cmp(big.NewInt(65537)) < 0:
		return "its RSA exponent is less than 65537"
	case e.Bit(0) == 0:
		return "its RSA exponent is even"
	case e.BitLen() > 31:
		return "its RSA exponent is larger than 2147483647, which most programs refuse"
	case hasSmallFactor(n):
		return "its RSA modulus has a small factor"
	case rocacheck.IsWeak(&rsa.PublicKey{N: n, E: int(e.Int64())}):
		return "it was made by a chip with the ROCA flaw (CVE-2017-15361)"
	case isPrimeLike(n):
		return "its RSA modulus is a prime number"
	case isCloseProduct(n):
		return "the two primes of its RSA modulus lie too close together"
	}
	return ""
}

// smallFactors is what no prime factor may be below. The CA/Browser Forum's BR
// 6.1.6 asks for 752; a faulty generator's factors are seldom that small.
const smallFactors = 10_000

// hasSmallFactor reports whether a prime below smallFactors divides n.
func hasSmallFactor(n *big.Int) bool {
	product := big.NewInt(1)
	var composite [smallFactors]bool
	for p := 3; p < len(composite); p += 2 {
		if composite[p] {
			continue
		}
		product.Mul(product, big.NewInt(int64(p)))
		for multiple := p * p; multiple < len(composite); multiple += p {
			composite[multiple] = true
		}
	}
	return new(big.Int).GCD(nil, nil, n, product).Cmp(big.NewInt(1)) != 0
}

// isPrimeLike is Fermat's test to the base 2. A product of two large primes that
// passes it does not come up by chance. This is nearly all the cost of reading
// an RSA request, some milliseconds: with a prime for a modulus, whoever reads
// the certificate has the private key.
func isPrimeLike(n *big.Int) bool {
	one := big.NewInt(1)
	return new(big.Int).Exp(big.NewInt(2), new(big.Int).Sub(n, one), n).Cmp(one) == 0
}

// isCloseProduct runs 110 rounds of Fermat's factorisation, as boulder does; the
// CA/Browser Forum's BR 6.1.1.3 asks for 100.
func isCloseProduct(n *big.Int) bool {
	a := new(big.Int).Sqrt(n)
	if new(big.Int).Mul(a, a).Cmp(n) == 0 {
		return true
	}
	one, rest, root := big.NewInt(1), new(big.Int), new(big.Int)
	for range 110 {
		a.Add(a, one)
		rest.Sub(rest.Mul(a, a), n)
		// A square is 0, 1, 4 or 9 modulo 16: that saves most of the roots.
		if low := rest.Bits()[0] % 16; low != 0 && low != 1 && low != 4 && low != 9 {
			continue
		}
		if root.Sqrt(rest).Mul(root, root).Cmp(rest) == 0 {
			return true
		}
	}
	return false
}
