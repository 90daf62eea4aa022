package trust

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

const (
	ocspPath     = "/ocsp"
	ocspRequest  = "application/ocsp-request"
	ocspResponse = "application/ocsp-response"
	// maxOCSPRequest bounds a request; one for one certificate has about a hundred bytes.
	maxOCSPRequest = 16 << 10
)

// fixed are header values that are the same in every OCSP answer: one slice each
// instead of one for each request. They must not be changed.
type fixed struct {
	mediaType, noStore, nosniff []string
	dates                       [512]atomic.Pointer[date] // by the second, modulo their number
}

// date is a second as HTTP writes it (RFC 9110, section 5.6.7).
type date struct {
	unix  int64
	value []string
}

// date returns t as a header value. Answers are made and end at whole seconds,
// and so those that are in use share a few hundred.
func (f *fixed) date(t time.Time) []string {
	unix := t.Unix()
	slot := &f.dates[uint64(unix)%uint64(len(f.dates))]
	d := slot.Load()
	if d == nil || d.unix != unix {
		d = &date{unix, []string{t.UTC().Format(http.TimeFormat)}}
		slot.Store(d)
	}
	return d.value
}

func newFixed() *fixed {
	return &fixed{mediaType: []string{ocspResponse}, noStore: []string{"no-store"}, nosniff: []string{"nosniff"}}
}

func isOCSP(path string) bool {
	return strings.HasPrefix(path, ocspPath) && (len(path) == len(ocspPath) || path[len(ocspPath)] == '/')
}

// ocsp answers OCSP requests over HTTP (RFC 6960, appendix A), with the caching
// headers of RFC 5019, section 6.2. What cannot be read gets an OCSP error, which
// its clients understand better than one of HTTP.
func (t *Trust) ocsp(w http.ResponseWriter, r *http.Request) {
	var request []byte
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		server.Often(w, "/ocsp/{request}")
		// An error leaves the request empty, which no OCSP request is.
		request, _ = t.opts.OCSPFromPath(strings.TrimPrefix(r.URL.Path[len(ocspPath):], "/"))
	case http.MethodPost:
		server.Often(w, ocspPath)
		if kind := r.Header.Get("Content-Type"); kind != ocspRequest && !isOCSPRequest(kind) {
			t.problems.Write(w, r, &issuance.Error{
				Kind: issuance.Invalid, Code: server.CodeMediaType,
				Message: "the Content-Type is not that of an OCSP request", Hint: "send it with Content-Type: " +
					ocspRequest,
			})
			return
		}
		var err error
		if request, err = io.ReadAll(io.LimitReader(r.Body, maxOCSPRequest+1)); err != nil || len(request) > maxOCSPRequest {
			request = nil
		}
	default:
		server.Route(w, ocspPath)
		w.Header().Set("Allow", "GET, HEAD, POST")
		t.problems.Write(w, r, &issuance.Error{
			Kind: issuance.Invalid, Code: server.CodeMethod,
			Message: "OCSP requests use GET or POST", Hint: "RFC 6960, appendix A, describes both",
		})
		return
	}
	t.answer(w, r, t.opts.OCSP(r.Context(), request))
}

func (t *Trust) answer(w http.ResponseWriter, r *http.Request, a Answer) {
	h := w.Header()
	h["X-Content-Type-Options"] = t.fixed.nosniff
	if !a.Cacheable {
		h["Cache-Control"] = t.fixed.noStore
	} else {
		left := max(0, a.NextUpdate.Sub(t.opts.Now())/time.Second)
		h["Cache-Control"] = []string{"max-age=" + strconv.FormatInt(int64(left), 10) + ", public, no-transform, must-revalidate"}
		h["Etag"] = []string{a.ETag}
		h["Last-Modified"] = t.fixed.date(a.ThisUpdate)
		h["Expires"] = t.fixed.date(a.NextUpdate)
		if r.Method != http.MethodPost && matches(r.Header["If-None-Match"], a.ETag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h["Content-Type"] = t.fixed.mediaType
	if r.Method == http.MethodHead {
		h["Content-Length"] = []string{strconv.Itoa(len(a.DER))}
		return
	}
	_, _ = w.Write(a.DER) // the client may be gone
}

func isOCSPRequest(header string) bool {
	kind, _, err := mime.ParseMediaType(header)
	return err == nil && kind == ocspRequest
}
