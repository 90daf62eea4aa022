package page

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page/pagetest"
)

func TestTexts(t *testing.T) { pagetest.Texts(t, files) }

func TestColours(t *testing.T) {
	for _, colour := range []string{"", "#000000", "#ffffff", "#ffff00", "#0000ff", "#777777", "#e30613", "#00a651"} {
		style, err := Brand{Colour: colour}.style()
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`--brand:(#[0-9a-f]{6});--brand-text:(#[0-9a-f]{6})`).FindAllStringSubmatch(string(style), -1)
		for i, background := range []rgb{{0xff, 0xff, 0xff}, {0x1a, 0x22, 0x2e}} {
			brand, err := parseColour(found[i][1])
			if err != nil {
				t.Fatal(err)
			}
			text, err := parseColour(found[i][2])
			if err != nil {
				t.Fatal(err)
			}
			if c := contrast(brand, background); c < 4.5 {
				t.Errorf("%q becomes %s, %.1f to 1 on %s", colour, brand, c, background)
			}
			if c := contrast(brand, text); c < 4.5 {
				t.Errorf("%q becomes %s with text %s, %.1f to 1", colour, brand, text, c)
			}
		}
	}
	for _, bad := range []string{"red", "#fff", "#12345g", "0f5c8c1", "#0f5c8c;}", "#", "##12345"} {
		if _, err := New(Brand{Colour: bad}, ""); issuance.KindOf(err) != issuance.Invalid {
			t.Errorf("the colour %q: %v, want an error of kind Invalid", bad, err)
		}
	}
}

func TestLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "de": "de", "de-CH, en;q=0.5": "de", "fr-FR,fr;q=0.9": "fr", "it, fr;q=0.3, de;q=0.2": "fr", "ja": "en", "rubbish;;q=": "en", "*": "en",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Language", header)
		if got := Language(r); got != want {
			t.Errorf("%q is answered in %s, want %s", header, got, want)
		}
	}
}

func TestFail(t *testing.T) {
	s, err := New(Brand{Name: `<b>"Bank"`}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err    error
		status int
		words  string
	}{
		{fmt.Errorf("secret detail"), 500, "Something went wrong"},
		{&issuance.Error{Kind: issuance.NotFound, Code: "never-heard-of"}, 404, "Something went wrong"},
		{&issuance.Error{Kind: issuance.Limited, Code: CodeRate, Retry: 90 * time.Second}, 429, "Wait 90 seconds"},
		{issuance.Invalidf("key", `is "<wrong>"`, ""), 422, "key: is &#34;&lt;wrong&gt;&#34;"},
	} {
		w := httptest.NewRecorder()
		if err := s.Fail(w, httptest.NewRequest(http.MethodGet, "/", nil), c.err, "/back"); err != nil {
			t.Fatal(err)
		}
		body := w.Body.String()
		if w.Code != c.status || !strings.Contains(body, c.words) || strings.Contains(body, "secret detail") || !strings.Contains(body, "&lt;b&gt;&#34;Bank&#34;") {
			t.Errorf("%v: status %d:\n%s", c.err, w.Code, body)
		}
	}
}

func TestAssets(t *testing.T) {
	s, err := New(Brand{Logo: []byte("<svg xmlns='http://www.w3.org/2000/svg'/>")}, "")
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for name := range s.assets {
		w := httptest.NewRecorder()
		s.Assets().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/assets/"+name+"?v="+s.assets[name].version, nil))
		if !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Code != http.StatusOK {
			t.Errorf("%s: status %d, %v", name, w.Code, w.Header())
		}
		got[name] = w.Header().Get("Content-Type")
		r := httptest.NewRequest(http.MethodGet, "/assets/"+name, nil)
		r.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		if s.Assets().ServeHTTP(w, r); w.Code != http.StatusNotModified {
			t.Errorf("%s again: status %d, want 304", name, w.Code)
		}
	}
	want := map[string]string{
		"brand.css": "text/css; charset=utf-8", "page.css": "text/css; charset=utf-8", "pico.css": "text/css; charset=utf-8",
		"pico.LICENSE": "text/plain; charset=utf-8", "icon.svg": "image/svg+xml", "logo": "image/svg+xml",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("assets (-want +got):\n%s", diff)
	}
	if names := slices.Sorted(maps.Keys(got)); len(names) == 0 {
		t.Error("there are no assets")
	}
}
