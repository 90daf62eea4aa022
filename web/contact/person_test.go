package contact

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// browser is a person's browser without scripts.
type browser struct {
	*desk
	client   *http.Client
	language string // that it asks for
	agent    string // how it calls itself
	origin   string // that it sends with forms
	status   int
	body     string
	header   http.Header
}

func (d *desk) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.Fatal(err)
	}
	c := *d.server.Client()
	c.Jar = jar
	return &browser{desk: d, client: &c}
}

func (b *browser) do(r *http.Request) *browser {
	b.Helper()
	if b.language != "" {
		r.Header.Set("Accept-Language", b.language)
	}
	r.Header.Set("User-Agent", b.agent)
	if b.origin != "" && r.Method == http.MethodPost {
		r.Header.Set("Origin", b.origin)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	b.status, b.body, b.header = resp.StatusCode, string(body), resp.Header
	return b
}

func (b *browser) get(path string) *browser {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, b.server.URL+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	return b.do(r)
}

// post sends fields, with the hidden ones of the page that is shown.
func (b *browser) post(path string, fields ...string) *browser {
	b.Helper()
	form := url.Values{}
	if m := regexp.MustCompile(`name="link" value="([^"]*)"`).FindStringSubmatch(b.body); m != nil {
		form.Set("link", m[1])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

// linkToken returns the token that b's cookie holds.
func (b *browser) linkToken() string {
	b.Helper()
	home, err := url.Parse(b.server.URL)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(home) {
		if strings.HasSuffix(c.Name, "postern-link") {
			return c.Value
		}
	}
	b.Fatal("the browser holds no link")
	return ""
}

// shows fails unless the page has each of words.
func (b *browser) shows(words ...string) *browser {
	b.Helper()
	for _, w := range words {
		if !strings.Contains(b.body, w) {
			b.Errorf("the page (status %d) does not say %q:\n%s", b.status, w, b.main())
		}
	}
	return b
}

// main returns the text of the page's main part.
func (b *browser) main() string {
	_, s, _ := strings.Cut(b.body, "<main")
	s, _, _ = strings.Cut(s, "</main>")
	s = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(s, " ")
	return strings.Join(strings.Fields(s), " ")
}
