package page

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
)

//go:embed all:templates text assets
var files embed.FS

// Brand shows people whose pages these are.
type Brand struct {
	Name         string // "" for Postern
	Colour       string // of buttons and links, as #rrggbb; "" for a calm blue
	SupportEmail string // where people can ask for help; "" for the sender of the link
	SupportPhone string // the same by phone, as people read it; "" for none
	Logo         []byte // SVG or PNG; nil for a drawn door
}

// Site is the layout with its assets, dressed for one brand. It is made at the
// start; after that, its methods may be called concurrently.
type Site struct {
	brand  Brand
	base   string
	assets map[string]asset
	common *Pages // the error page
}

// New returns a site for brand, whose pages are below the path base ("" for the
// root of the host). It returns an error of kind Invalid if the brand is not valid.
func New(brand Brand, base string) (*Site, error) {
	if brand.Name == "" {
		brand.Name = "Postern"
	}
	style, err := brand.style()
	if err != nil {
		return nil, err
	}
	s := &Site{brand: brand, base: strings.TrimSuffix(base, "/"), assets: make(map[string]asset)}
	if err := s.addAssets(files); err != nil {
		return nil, err
	}
	s.assets["brand.css"] = newAsset("text/css; charset=utf-8", style)
	if len(brand.Logo) > 0 {
		s.assets["logo"] = newAsset(logoType(brand.Logo), brand.Logo)
	}
	s.common, err = s.Pages(nil)
	return s, err
}

// Base returns the path below which the site is, without a trailing slash.
func (s *Site) Base() string { return s.base }

// Support returns the address, or the number, where people ask for help; "" if
// there is none.
func (s *Site) Support() string { return cmp.Or(s.brand.SupportEmail, s.brand.SupportPhone) }

// Pages are the pages of one audience.
type Pages struct {
	site  *Site
	pages map[string]*template.Template
	texts texts
}

// Pages reads the pages of an audience from own: templates/*.html (each defines
// "main"; those whose names begin with _ are shared by the others),
// text/<language>.yaml and assets/*. It must not be called once s serves.
func (s *Site) Pages(own fs.FS) (*Pages, error) {
	p := &Pages{site: s, pages: make(map[string]*template.Template)}
	sources := []fs.FS{files}
	if own != nil {
		sources = append(sources, own)
		if err := s.addAssets(own); err != nil {
			return nil, err
		}
	}
	layout := template.New("")
	for _, source := range sources {
		shared, err := fs.Glob(source, "templates/_*.html")
		if err != nil {
			return nil, err
		}
		if len(shared) == 0 {
			continue
		}
		if layout, err = layout.ParseFS(source, shared...); err != nil {
			return nil, fmt.Errorf("reading the layout: %w", err)
		}
	}
	for _, source := range sources {
		if err := p.read(layout, source); err != nil {
			return nil, err
		}
	}
	var err error
	p.texts, err = readTexts(sources)
	return p, err
}

// read adds the pages of source to p.
func (p *Pages) read(layout *template.Template, source fs.FS) error {
	names, err := fs.Glob(source, "templates/[a-z]*.html")
	if err != nil {
		return err
	}
	for _, name := range names {
		t, err := layout.Clone()
		if err != nil {
			return err
		}
		if t, err = t.ParseFS(source, name); err != nil {
			return fmt.Errorf("reading the page %s: %w", name, err)
		}
		p.pages[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return nil
}
