package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"fmt"
	"net/http"
	"time"

	"github.com/postern-ca/postern/web/page"
)

//go:embed templates text assets
var own embed.FS

// authority is a CA as the page shows it.
type authority struct {
	ID          string
	Name        string
	Fingerprint []string // SHA-256, a pair of digits for each byte
	NotBefore   string
	NotAfter    string
	CRL         string // address; empty if there is none at this moment
	CRLUntil    string
}

type trustPage struct {
	URL     string
	Root    authority
	Issuers []authority
}

// page tells people what this root is, and gives them the files.
func (t *Trust) page(w http.ResponseWriter, r *http.Request) {
	language := page.Language(r)
	title, err := t.pages.Text(language, "trust.title")
	if err != nil {
		t.opts.Site.Fail(w, r, err, "")
		return
	}
	data := trustPage{URL: t.opts.URL, Root: t.authority("root", t.opts.Root)}
	for _, i := range t.opts.Issuers() {
		data.Issuers = append(data.Issuers, t.authority(i.ID, i.Certificate))
	}
	err = t.pages.Render(w, r, page.Page{Name: "trust", Language: language, Title: title, Data: data})
	if err != nil {
		t.opts.Log.Error("a page could not be rendered", "error", err)
		t.opts.Site.Fail(w, r, err, "")
	}
}

func (t *Trust) authority(id string, c *x509.Certificate) authority {
	a := authority{
		ID: id, Name: c.Subject.CommonName, Fingerprint: fingerprint(c.Raw),
		NotBefore: c.NotBefore.UTC().Format(time.DateOnly), NotAfter: c.NotAfter.UTC().Format(time.DateOnly),
	}
	if d, err := t.opts.CRL(id); err == nil {
		a.CRL, a.CRLUntil = "/pki/crl/"+id+".crl", d.NextUpdate.UTC().Format("2006-01-02 15:04 UTC")
	}
	return a
}

// fingerprint is the SHA-256 of der, as browsers and operating systems show it
// with colons between.
func fingerprint(der []byte) []string {
	sum := sha256.Sum256(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return pairs
}
