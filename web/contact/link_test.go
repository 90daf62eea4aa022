package contact

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestLinkInItsWrappings opens the e-mailed link as mail programs and people pass it on.
func TestLinkInItsWrappings(t *testing.T) {
	d := newDesk(t)
	_, link := d.invite()
	half := link[:20]
	for name, path := range map[string]string{
		"slash":               link + "/",
		"slashes":             link + "//",
		"bracket":             link + ">",
		"escaped bracket":     link + "%3E",
		"twice escaped":       link + "%253E",
		"entity":              link + "&gt;",
		"quote":               link + `"`,
		"quote and bracket":   link + `%22%3E`,
		"entity of a quote":   link + "&quot;&gt;",
		"apostrophe":          link + "&#39;",
		"no-break space":      link + "&nbsp;",
		"slash and bracket":   link + "/>",
		"brackets around":     "%3C" + link + "%3E",
		"typographic quotes":  "%E2%80%9C" + link + "%E2%80%9D",
		"full stop":           link + ".",
		"parenthesis":         link + ").",
		"star":                "*" + link + "*",
		"underscore":          link + "_",
		"blank":               link + "%20",
		"line break":          link + "%0D%0A",
		"zero width":          "%E2%80%8B" + link + "%E2%80%8B",
		"byte order mark":     link + "%EF%BB%BF",
		"quoted-printable":    link + "=3D",
		"soft break":          half + "=" + link[20:],
		"escaped soft break":  half + "=%0D%0A" + link[20:],
		"broken by a blank":   half + "%20" + link[20:],
		"broken by a hyphen":  half + "%C2%AD" + link[20:],
		"= before":            "=3D" + link,
		"query":               link + "?utm_source=mail&amp;x=1",
		"ampersand and query": link + "&amp;utm_source=mail",
		"semicolon":           link + ";",
	} {
		b := d.browser().get("/c/" + path)
		if b.status != http.StatusOK || !strings.Contains(b.body, "Enter the code from the text message") {
			t.Errorf("%s: /c/…%s: status %d: %s", name, strings.ReplaceAll(path, link, "TOKEN"), b.status, b.main())
		}
	}
	for name, path := range map[string]string{"cut": link[:42], "another": strings.Repeat("x", 43), "cut and wrapped": link[:42] + "%3E", "below": link + "/x"} {
		if b := d.browser().get("/c/" + path); b.status != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", name, b.status)
		}
	}
}

func TestScriptsLinkInItsWrappings(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	for _, path := range []string{"/claim", "/claim/", "//claim", "%3E/claim"} {
		b := d.browser()
		b.post("/c/"+link+path, "code", d.wrong(id)).shows("this is not the code")
	}
}

func FuzzTidyPath(f *testing.F) {
	f.Add("/c/" + strings.Repeat("a", 43) + "/")
	f.Add("/c/=3D\n")
	f.Add("/claim")
	f.Fuzz(func(t *testing.T, path string) {
		once := tidyPath(path)
		if twice := tidyPath(once); twice != once {
			t.Errorf("%q becomes %q, and that %q", path, once, twice)
		}
		if !strings.HasPrefix(path, "/c/") && once != path {
			t.Errorf("%q becomes %q", path, once)
		}
		if _, err := url.Parse(once); strings.HasPrefix(path, "/c/") && once != path && err != nil {
			t.Errorf("%q becomes %q: %v", path, once, err)
		}
	})
}
