package page

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Page is one page to be shown.
type Page struct {
	Status   int    // 0 for 200
	Name     string // of the template
	Language string // "" for what the browser asks for
	Title    string // in that language
	Data     any
}

// frame is what a template sees: its own data, and what every page has.
type frame struct {
	text
	Brand Brand
	Title string
	Data  any
	site  *Site
}

// Base returns the path before every address of the site.
func (f frame) Base() string { return f.site.base }

// Asset returns the address of an asset; it changes with the asset's content.
func (f frame) Asset(name string) (string, error) {
	a, ok := f.site.assets[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return f.site.base + "/assets/" + name + "?v=" + a.version, nil
}

// With returns f with other data, for a template within the page's.
func (f frame) With(data any) frame {
	f.Data = data
	return f
}

// Call returns the brand's phone number for a link: its digits, with + before them
// if it has one.
func (f frame) Call() string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, strings.ReplaceAll(f.Brand.SupportPhone, "(0)", ""))
}

// HasLogo reports whether the brand has a logo of its own.
func (f frame) HasLogo() bool { return len(f.Brand.Logo) > 0 }

// Render writes the page, or returns an error and has written nothing: pages
// are rendered as a whole before the first byte leaves. No cache keeps them.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, page Page) error {
	t, ok := p.pages[page.Name]
	if !ok {
		return fmt.Errorf("no page %q", page.Name)
	}
	if page.Language == "" {
		page.Language = Language(r)
	}
	var b bytes.Buffer
	f := frame{text: p.texts.in(page.Language), Brand: p.site.brand, Title: page.Title, Data: page.Data, site: p.site}
	if err := t.ExecuteTemplate(&b, "layout", f); err != nil {
		return fmt.Errorf("rendering the page %s: %w", page.Name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", f.Language())
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(max(page.Status, http.StatusOK))
	if r.Method != http.MethodHead {
		w.Write(b.Bytes())
	}
	return nil
}

// Text returns the text of key in language; args are names and values, and a
// value named Count chooses the plural.
func (p *Pages) Text(language, key string, args ...any) (string, error) {
	return p.texts.in(language).T(key, args...)
}
