// Tiny writes tiny.bin: the first eight bytes of the marks of keys whose private half
// anybody tries first, sorted. Those are, for P-256, P-384 and Ed25519: scalars up to
// 16384 and powers of two; one byte repeated; bytes that count up; and of Ed25519 the
// seeds up to 4096, written either way round.
//
//	go run ./ca/badkeys/testdata/tiny > ca/badkeys/tiny.bin
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/hex"
	"math/big"
	"os"
	"slices"

	"github.com/postern-ca/postern/issuance"
)

const most = 16384

func main() {
	marks := map[[8]byte]bool{}
	add := func(key crypto.PublicKey) {
		mark, err := hex.DecodeString(string(issuance.MarkOf(key)))
		if err != nil || len(mark) != 32 {
			panic("a key without a mark")
		}
		marks[[8]byte(mark)] = true
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		size := curve.Params().BitSize / 8
		for _, d := range append(patterns(size), scalars(curve.Params().BitSize)...) {
			if key, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, size))); err == nil {
				add(key.Public())
			}
		}
	}
	for _, seed := range append(patterns(32), counted(4096)...) {
		raw := seed.FillBytes(make([]byte, 32))
		add(ed25519.NewKeyFromSeed(raw).Public())
		slices.Reverse(raw)
		add(ed25519.NewKeyFromSeed(raw).Public())
	}
	multiples(func(point []byte) { add(ed25519.PublicKey(point)) })

	all := make([][]byte, 0, len(marks))
	for m := range marks {
		all = append(all, m[:])
	}
	slices.SortFunc(all, bytes.Compare)
	if _, err := os.Stdout.Write(bytes.Join(all, nil)); err != nil {
		panic(err)
	}
}

// counted returns 0 to n.
func counted(n int) (out []*big.Int) {
	for i := range n + 1 {
		out = append(out, big.NewInt(int64(i)))
	}
	return out
}

func scalars(bits int) []*big.Int {
	out := counted(most)
	for i := range bits {
		out = append(out, new(big.Int).Lsh(big.NewInt(1), uint(i)))
	}
	return out
}

func patterns(size int) (out []*big.Int) {
	for b := range 256 {
		out = append(out, new(big.Int).SetBytes(bytes.Repeat([]byte{byte(b)}, size)))
	}
	for first := range 2 {
		count := make([]byte, size)
		for i := range count {
			count[i] = byte(first + i)
		}
		out = append(out, new(big.Int).SetBytes(count))
	}
	return out
}

// multiples calls f with the small multiples of Ed25519's base point and those by
// powers of two, encoded as RFC 8032, section 5.1.2, says.
func multiples(f func([]byte)) {
	c := newEdwards()
	sum := c.base
	for range most {
		f(c.encode(sum))
		sum = c.add(sum, c.base)
	}
	double := c.base
	for range 252 {
		f(c.encode(double))
		double = c.add(double, double)
	}
}

type point struct{ x, y *big.Int }

type edwards struct {
	p, d *big.Int
	base point
}

func number(s string) *big.Int {
	n, _ := new(big.Int).SetString(s, 10)
	return n
}

func newEdwards() edwards {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	return edwards{
		p: p, d: number("37095705934669439343138083508754565189542113879843219016388785533085940283555"),
		base: point{
			number("15112221349535400772501151409588531511454012693041857206046113283949847762202"),
			number("46316835694926478169428394003475163141307993866256225615783033603165251855960"),
		},
	}
}

// add is the addition of affine points.
func (c edwards) add(a, b point) point {
	mul := func(x, y *big.Int) *big.Int { z := new(big.Int).Mul(x, y); return z.Mod(z, c.p) }
	cross := mul(c.d, mul(mul(a.x, b.x), mul(a.y, b.y)))
	one := big.NewInt(1)
	x := new(big.Int).Add(mul(a.x, b.y), mul(b.x, a.y))
	y := new(big.Int).Add(mul(a.y, b.y), mul(a.x, b.x))
	under := new(big.Int).ModInverse(new(big.Int).Mod(new(big.Int).Add(one, cross), c.p), c.p)
	over := new(big.Int).ModInverse(new(big.Int).Mod(new(big.Int).Sub(one, cross), c.p), c.p)
	return point{mul(x, under), mul(y, over)}
}

func (c edwards) encode(a point) []byte {
	out := a.y.FillBytes(make([]byte, 32))
	slices.Reverse(out)
	out[31] |= byte(a.x.Bit(0) << 7)
	return out
}
