package ca

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

func TestRequestFromPath(t *testing.T) {
	// These bytes give a plus, a slash and padding.
	want := []byte{0x30, 0x03, 0x01, 0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff, 0x01}
	text := base64.StdEncoding.EncodeToString(want)
	if !strings.Contains(text, "/") || !strings.Contains(text, "+") || !strings.HasSuffix(text, "=") {
		t.Fatalf("%s does not have all the symbols", text)
	}
	for name, path := range map[string]string{
		"plain":             text,
		"slash before":      "/" + text,
		"slashes before":    "//" + text,
		"escaped":           url.PathEscape(text),
		"query-escaped":     url.QueryEscape(text),
		"lower-case escape": strings.NewReplacer("+", "%2b", "/", "%2f", "=", "%3d").Replace(text),
		"no padding":        strings.TrimRight(text, "="),
		"space for plus":    strings.ReplaceAll(text, "+", " "),
		"for URLs":          base64.URLEncoding.EncodeToString(want),
		"for URLs, bare":    base64.RawURLEncoding.EncodeToString(want),
	} {
		got, err := RequestFromPath(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s (%s): %x, %v, want %x", name, path, got, err, want)
		}
	}
	for _, path := range []string{"", "/", "====", "%", "%zz", "*", "MA", strings.Repeat("A", 1<<20)} {
		if got, err := RequestFromPath(path); err == nil && len(got) > 1 {
			t.Errorf("%.20q: %x, want an error", path, got)
		}
	}
}

func FuzzRequestFromPath(f *testing.F) {
	f.Add("MEUwQzBBMD8wPTAJBgUrDgMCGgUABBQ%2B/")
	f.Add("%2f%%")
	f.Fuzz(func(t *testing.T, path string) {
		request, err := RequestFromPath(path)
		if err != nil || request[0] != 0x30 { // a sequence, whose base64 does not begin with a slash
			return
		}
		again, err := RequestFromPath(base64.StdEncoding.EncodeToString(request))
		if err != nil && len(request) <= maxOCSPRequest || err == nil && !bytes.Equal(again, request) {
			t.Errorf("%q gives %x, which gives %x, %v", path, request, again, err)
		}
	})
}
