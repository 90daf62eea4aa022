package delivery

import (
	"encoding/base32"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// codeSeed returns the seed of RFC 6238, appendix B, for SHA-256.
func codeSeed() issuance.Secret {
	return issuance.NewSecret([]byte(base32.StdEncoding.EncodeToString([]byte("12345678901234567890123456789012"))))
}

// codeCounting returns the seed 00 01 02 ... 1f.
func codeCounting() issuance.Secret {
	b := make([]byte, seedLength)
	for i := range b {
		b[i] = byte(i)
	}
	return issuance.NewSecret([]byte(base32.StdEncoding.EncodeToString(b)))
}

func TestCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		seed    issuance.Secret
		counter uint64
		want    string
	}{
		// RFC 6238, appendix B: the SHA-256 rows, by their counters.
		{codeSeed(), 0x1, "46119246"},
		{codeSeed(), 0x23523EC, "68084774"},
		{codeSeed(), 0x23523ED, "67062674"},
		{codeSeed(), 0x273EF07, "91819424"},
		{codeSeed(), 0x3F940AA, "90698825"},
		{codeSeed(), 0x27BC86AA, "77737706"},
		// Python's hmac and hashlib after RFC 4226, section 5.3.
		{codeCounting(), 0, "94464393"},
		{codeCounting(), 1, "04309558"},
		{codeCounting(), 26, "00625939"},
		{codeCounting(), 1 << 32, "10796296"},
		{codeCounting(), 1<<64 - 1, "42115307"},
	} {
		code, err := Code(c.seed, c.counter)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(code.Reveal()); got != c.want {
			t.Errorf("counter %d: got %s, want %s", c.counter, got, c.want)
		}
		if ok, err := CheckCode(c.seed, c.counter, c.want); err != nil || !ok {
			t.Errorf("counter %d: checking %s: got %v, %v", c.counter, c.want, ok, err)
		}
	}
}

func TestCheckCodeTakesNoOther(t *testing.T) {
	t.Parallel()
	seed := codeCounting()
	for _, code := range []string{
		"", "9", "9446439", "944643930", "94464394", "84464393", "００００００００", "94464393\x00", "-9446439", "+4464393",
		"9446 4393", strings.Repeat("9", 100_000),
		"04309558", // that of counter 1
		"13991662", // that of counter 2
	} {
		if ok, err := CheckCode(seed, 0, code); err != nil || ok {
			t.Errorf("%.20q: got %v, %v, want false", code, ok, err)
		}
	}
	// Neither the code before nor the one after: a voided code stays void.
	for _, counter := range []uint64{0, 2} {
		if ok, err := CheckCode(seed, counter, "04309558"); err != nil || ok {
			t.Errorf("the code of counter 1 at %d: got %v, %v, want false", counter, ok, err)
		}
	}
}

func TestNewSeed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		seed := NewSeed()
		raw, err := base32.StdEncoding.DecodeString(string(seed.Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) != 32 || seen[string(raw)] {
			t.Fatalf("got %d bytes, want 32 that never came before", len(raw))
		}
		seen[string(raw)] = true
		code, err := Code(seed, 7)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := CheckCode(seed, 7, string(code.Reveal())); err != nil || !ok {
			t.Fatalf("its own code: got %v, %v", ok, err)
		}
	}
}

// A lost seed would give codes that everybody can compute.
func TestCodeRefusesDamagedSeed(t *testing.T) {
	t.Parallel()
	good := string(NewSeed().Reveal())
	for _, bad := range []string{"", " ", "AAAAAAAA", good[:len(good)-8], good + good, strings.Repeat("1", len(good)), strings.Repeat(" ", len(good))} {
		seed := issuance.NewSecret([]byte(bad))
		code, err := Code(seed, 1)
		if err == nil || !code.Empty() {
			t.Errorf("%.10q: got a code, want an error", bad)
		} else if bad != "" && bad != " " && strings.Contains(fmt.Sprint(err), bad) {
			t.Error("the error tells the seed")
		}
		if ok, err := CheckCode(seed, 1, "00000000"); err == nil || ok {
			t.Errorf("%.10q: checked a code with it, want an error", bad)
		}
	}
}

func FuzzCheckCode(f *testing.F) {
	f.Add("94464393")
	f.Add("9446 4393")
	f.Add("")
	seed := codeCounting()
	f.Fuzz(func(t *testing.T, code string) {
		ok, err := CheckCode(seed, 0, code)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSpace(code) == "94464393"; ok != want {
			t.Errorf("%q: got %v, want %v", code, ok, want)
		}
	})
}
