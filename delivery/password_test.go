package delivery

import (
	"regexp"
	"testing"
)

func TestNewPassword(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^[a-km-np-z2-9]{4}(-[a-km-np-z2-9]{4}){5}$`)
	const n = 20_000
	seen, count := map[string]bool{}, map[byte]int{}
	for range n {
		s := string(NewPassword().Reveal())
		if !shape.MatchString(s) {
			t.Fatalf("got %q, want six groups of four without l, o, 0 and 1", s)
		}
		if seen[s] {
			t.Fatal("got the same password twice")
		}
		seen[s] = true
		for i := range len(s) {
			count[s[i]]++
		}
	}
	if got, want := count['-'], 5*n; got != want {
		t.Errorf("got %d hyphens, want %d", got, want)
	}
	// 24n/32 of each are expected, give or take 121: eight times that is never seen.
	for i := range len(passwordAlphabet) {
		if got, want := count[passwordAlphabet[i]], 24*n/32; got < want-968 || got > want+968 {
			t.Errorf("got %q %d times in %d, want about %d", passwordAlphabet[i], got, 24*n, want)
		}
	}
	if got, want := len(count), 33; got != want {
		t.Errorf("got %d different characters, want %d", got, want)
	}
}
