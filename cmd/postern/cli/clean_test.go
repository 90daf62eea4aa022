package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for s, want := range map[string]string{
		"": "",
		"Müller & Söhne 株式会社 👩‍👩‍👧": "Müller & Söhne 株式会社 👩‍👩‍👧",
		"a\x1b[31mb":      `a\u001b[31mb`,
		"a\nb\tc\rd":      `a\nb\tc\u000dd`,
		"\u202eevil":      `\u202eevil`,
		"\u2066a\u2069":   `\u2066a\u2069`,
		"a\u200bb\ufeff":  `a\u200bb\ufeff`,
		"\u009b31m\u007f": `\u009b31m\u007f`,
		"\U000e0041":      `\udb40\udc41`,
		"\xff\xfe":        `\xff\xfe`,
		"real \ufffd":     "real \ufffd",
		"a\u2028b":        `a\u2028b`,
	} {
		if got := clean(s); got != want {
			t.Errorf("clean(%q): got %q, want %q", s, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, dangerous) {
			t.Errorf("clean(%q) is %q", s, got)
		}
		if !strings.ContainsFunc(s, dangerous) && utf8.ValidString(s) && got != s {
			t.Errorf("clean(%q) changed it to %q", s, got)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		if json.Unmarshal(text, &before) != nil || json.Unmarshal([]byte(cleanJSON(string(text))), &after) != nil || before != after {
			t.Errorf("cleanJSON changed %q to %q", before, after)
		}
	})
}
