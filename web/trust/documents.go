package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// The media types (RFC 2585, section 4; RFC 6960, appendix C; the others are custom).
const (
	certType    = "application/pkix-cert"
	crlType     = "application/pkix-crl"
	pemType     = "application/x-pem-file"
	profileType = "application/x-apple-aspen-config"
)

// Certificates may be kept for an hour. A CRL may be kept too, but must be asked
// for again each time, which costs next to nothing: else a proxy would keep a
// revocation from those behind it.
const (
	cacheCertificate = "public, max-age=3600"
	cacheCRL         = "public, no-cache"
)

// slowest is the rate, in bytes a second, below which a reader is cut off.
const slowest = 16 << 10

// file is a document and how it is served.
type file struct {
	Document
	mediaType string
	name      string // under which it is saved; empty: it is opened, not saved
	cache     string
}

// serve answers with f, or with 304 if the client has it already (RFC 9110,
// section 13.1.2). If-Modified-Since is left out of account: two CRLs may be of
// the same second.
func (t *Trust) serve(w http.ResponseWriter, r *http.Request, f file) {
	h := w.Header()
	h.Set("ETag", f.ETag)
	h.Set("Cache-Control", f.cache)
	h.Set("Last-Modified", f.ThisUpdate.UTC().Format(http.TimeFormat))
	if matches(r.Header["If-None-Match"], f.ETag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if !f.NextUpdate.IsZero() {
		h.Set("Expires", f.NextUpdate.UTC().Format(http.TimeFormat))
	}
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	if f.name != "" {
		h.Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
	}
	if r.Method == http.MethodHead {
		return
	}
	server.Extend(w, time.Minute+time.Duration(f.Size/slowest)*time.Second)
	if _, err := f.WriteTo(w); err != nil {
		t.opts.Log.Debug("a document was not read to the end", "error", err)
	}
}

// matches reports whether one of the entity tags in headers is etag, by the weak
// comparison that If-None-Match asks for.
func matches(headers []string, etag string) bool {
	for _, header := range headers {
		for tag := range strings.SplitSeq(header, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// certificateFile serves what does not change: certificates, and what is made of them.
func certificateFile(content []byte, since time.Time) file {
	sum := sha256.Sum256(content)
	return file{cache: cacheCertificate, Document: Document{
		ETag: `"` + hex.EncodeToString(sum[:16]) + `"`, Size: int64(len(content)), ThisUpdate: since,
		WriteTo: func(w io.Writer) (int64, error) {
			n, err := w.Write(content)
			return int64(n), err
		},
	}}
}

func (t *Trust) rootDER(w http.ResponseWriter, r *http.Request) {
	f := certificateFile(t.opts.Root.Raw, t.opts.Root.NotBefore)
	f.mediaType, f.name = certType, "root.cer"
	t.serve(w, r, f)
}

func (t *Trust) rootPEM(w http.ResponseWriter, r *http.Request) {
	f := certificateFile(encodePEM(t.opts.Root.Raw), t.opts.Root.NotBefore)
	f.mediaType, f.name = pemType, "root.pem"
	t.serve(w, r, f)
}

// chain has every CA that client certificates may come from, the present one
// first, and the root: what a TLS server needs to check them.
func (t *Trust) chain(w http.ResponseWriter, r *http.Request) {
	var all []byte
	since := t.opts.Root.NotBefore
	issuers := t.opts.Issuers()
	for i := len(issuers) - 1; i >= 0; i-- {
		c := issuers[i].Certificate
		all = append(all, encodePEM(c.Raw)...)
		if c.NotBefore.After(since) {
			since = c.NotBefore
		}
	}
	f := certificateFile(append(all, encodePEM(t.opts.Root.Raw)...), since)
	f.mediaType, f.name = pemType, "chain.pem"
	t.serve(w, r, f)
}

// issuerDER serves what the certificates name as their issuer (RFC 5280, section 4.2.2.1).
func (t *Trust) issuerDER(w http.ResponseWriter, r *http.Request) {
	id := mux.Vars(r)["issuer"]
	for _, issuer := range t.opts.Issuers() {
		if issuer.ID == id {
			f := certificateFile(issuer.Certificate.Raw, issuer.Certificate.NotBefore)
			f.mediaType, f.name = certType, id+".cer"
			t.serve(w, r, f)
			return
		}
	}
	t.problems.Write(w, r, &issuance.Error{
		Kind: issuance.NotFound, Code: issuance.CodeNotFound, Message: "there is no issuing CA with this name",
		Hint: "/pki/ lists them",
	})
}

func (t *Trust) crl(w http.ResponseWriter, r *http.Request) {
	d, err := t.opts.CRL(mux.Vars(r)["issuer"])
	if err != nil {
		t.problems.Write(w, r, err)
		return
	}
	t.serve(w, r, file{Document: d, mediaType: crlType, cache: cacheCRL})
}

// bundle serves the CRLs of all levels. With "Prefer: wait=60" (RFC 7240) and
// If-None-Match it answers as soon as there is another than the client has.
func (t *Trust) bundle(w http.ResponseWriter, r *http.Request) {
	d, err := t.opts.Bundle()
	if wait := waitPreferred(r.Header["Prefer"]); err == nil && wait > 0 && matches(r.Header["If-None-Match"], d.ETag) {
		d, err = t.wait(w, r, wait, d)
	}
	if err != nil {
		t.problems.Write(w, r, err)
		return
	}
	w.Header().Add("Vary", "Prefer")
	t.serve(w, r, file{Document: d, mediaType: pemType, cache: cacheCRL})
}

// wait waits for another bundle than d.
func (t *Trust) wait(w http.ResponseWriter, r *http.Request, limit time.Duration, d Document) (Document, error) {
	leave, ok := t.waiters.enter(t.source.Of(r))
	if !ok {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		return d, nil
	}
	defer leave()
	server.Extend(w, limit+time.Minute)
	w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(limit/time.Second)))
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	if t.opts.Closing != nil {
		go func() {
			select {
			case <-t.opts.Closing:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return t.opts.WaitBundle(ctx, d.ETag)
}

func encodePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
