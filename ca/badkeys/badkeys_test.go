package badkeys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// TestTheListIsWhole: each line is found, and they are sorted, without one twice.
func TestTheListIsWhole(t *testing.T) {
	var marks []string
	for line := range strings.Lines(published) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		mark, where, found := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if raw, err := hex.DecodeString(mark); err != nil || len(raw) != sha256.Size || !found || where == "" || len(where) > 200 {
			t.Errorf("the line %q is neither a mark with its source nor a comment", line)
		}
		if got := publishedIn(mark); got != where {
			t.Errorf("%s was found in %q, want %q", mark, got, where)
		}
		marks = append(marks, mark)
	}
	if len(marks) < 500 || !slices.IsSorted(marks) || len(slices.Compact(slices.Clone(marks))) != len(marks) {
		t.Errorf("%d marks, sorted %v", len(marks), slices.IsSorted(marks))
	}
	if len(tiny)%8 != 0 || len(tiny) < 8*3*16384 {
		t.Errorf("%d bytes of tiny keys", len(tiny))
	}
}

func TestAnOrdinaryKeyIsNotKnown(t *testing.T) {
	for range 100 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if problem := Problem(key.Public()); problem != "" {
			t.Error(problem)
		}
	}
	if Problem("no key") != "" || Problem(nil) != "" {
		t.Error("something that is no key is known")
	}
}

// debianWeak is a key that a Debian program of 2008 made (CVE-2008-0166), whose entry
// in the openssl-blacklist package ends the SHA-1 of its line, as boulder knows it too.
const (
	debianWeak = "D673252AF6723C3F72529403EAB7C30DEF3C52F97E799825F4A70191C616ADCF1ECE1113F1625971074C492C592025FDEADBDB146A" +
		"081826BDF0D77C3C913DCF1B6F0B3B78F5108D2E493AD0EEE8CA5C021711ADC13D358E61133870FCD19C8E5C22403959782AA82E72AEE53A3D" +
		"491E3912CE27B27E1A85EA69C19A527D28F7934C9823B7E56FDD657DAC83FDC65BB22A98D843DF73238919781B714C81A5E2AFEC71F5C54AA2" +
		"A27C590AD94C03C1062D50EFCFFAC743E3C8A3AE056846A1D756EB862BF4224169D467C35215ADE0AFCC11E85FE629AFB802C4786FF2E9C929" +
		"BCCF502B3D3B8876C6A11785CC398B389F1D86BDD9CB0BD4EC13956EC3FA270D"
	debianEntry = "8df20e6961a16398b85a"
)

// written makes a directory of lists, and opens it.
func written(t *testing.T, files map[string][]byte) (*Lists, error) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Open(dir)
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	return l, err
}

func TestLists(t *testing.T) {
	modulus, _ := new(big.Int).SetString(debianWeak, 16)
	listed, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var blocks [][]byte
	for i := range 1000 {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		blocks = append(blocks, append(sum[:15:15], 3))
	}
	sum := sha256.Sum256(bytes.TrimLeft(edwards, "\x00"))
	blocks = append(blocks, append(sum[:15:15], 7))
	slices.SortFunc(blocks, bytes.Compare)
	l, err := written(t, map[string][]byte{
		"blacklist.RSA-2048": []byte("# as openssl-blacklist has it\n0000000000000000000a\n" + debianEntry + "\nffffffffffffffffffff\n"),
		"own.txt":            []byte("\n" + string(issuance.MarkOf(listed.Public())) + " # stolen last year\r\n"),
		"blocklist.dat":      bytes.Join(blocks, nil),
		".hidden":            []byte("not read"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := l.Len(); n != 3+1+1001 {
		t.Errorf("%d keys are blocked", n)
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key  crypto.PublicKey
		want bool
	}{
		"Debian's":                        {&rsa.PublicKey{N: modulus, E: 65537}, true},
		"Debian's with another exponent":  {&rsa.PublicKey{N: modulus, E: 65539}, true},
		"our own":                         {listed.Public(), true},
		"badkeys'":                        {edwards, true},
		"badkeys', with the sign turned":  {turned(edwards), true},
		"one that nobody knows":           {stranger.Public(), false},
		"another one that nobody knows":   {ed25519.PublicKey(sum[:]), false},
		"one that everybody knows anyway": {ed25519.NewKeyFromSeed(make([]byte, 32)).Public(), true},
	} {
		if problem := l.Problem(test.key); (problem != "") != test.want {
			t.Errorf("%s: %q", name, problem)
		}
	}
	if problem := new(Lists).Problem(listed.Public()); problem != "" {
		t.Errorf("without a list: %q", problem)
	}
	// A list that is gone lets nothing pass unseen.
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if problem := l.Problem(stranger.Public()); !strings.Contains(problem, "cannot be read") {
		t.Errorf("after the file was closed: %q", problem)
	}
}

func turned(key ed25519.PublicKey) ed25519.PublicKey {
	out := bytes.Clone(key)
	out[31] ^= 0x80
	return out
}

func TestABrokenListIsRefused(t *testing.T) {
	for name, files := range map[string]map[string][]byte{
		"another line":       {"a.txt": []byte(debianEntry + "\nnonsense\n")},
		"a cut line":         {"a.txt": []byte(debianEntry[:19] + "\n")},
		"a cut blocklist":    {"blocklist.dat": make([]byte, 100)},
		"a web page instead": {"a.txt": []byte("<!DOCTYPE html>\n")},
	} {
		if _, err := written(t, files); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(name, "line") && !strings.Contains(err.Error(), "line") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a list that is not there: no error")
	}
	if l, err := Open(""); err != nil || l.Len() != 0 {
		t.Errorf("none: %v", err)
	}
}

func BenchmarkProblem(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	public := key.Public()
	for b.Loop() {
		Problem(public)
	}
}
