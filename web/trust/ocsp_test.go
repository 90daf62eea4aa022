package trust

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

func TestOCSP(t *testing.T) {
	h, s := open(t)
	request := []byte{0xfb, 0xff, 0xbf, 1, 2, 3} // its base64 has + and /
	encoded := base64.StdEncoding.EncodeToString(request)
	for name, path := range map[string]string{"plain": "/ocsp/" + encoded, "escaped": "/ocsp/" + url.QueryEscape(encoded)} {
		s.asked = nil
		w := ask(h, http.MethodGet, path)
		if len(s.asked) != 1 || !bytes.Equal(s.asked[0], request) {
			t.Errorf("%s: asked %x, want %x", name, s.asked, request)
		}
		for header, want := range map[string]string{
			"Content-Type": "application/ocsp-response", "ETag": `"o1"`, "Cache-Control": "max-age=240, public, no-transform, must-revalidate",
			"Last-Modified": "Sat, 21 Nov 2026 11:59:00 GMT", "Expires": "Sat, 21 Nov 2026 12:04:00 GMT",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if w.Code != http.StatusOK || w.Body.String() != "answer" {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
	if w := ask(h, http.MethodGet, "/ocsp/"+encoded, "If-None-Match", `"o1"`); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("If-None-Match: %d %q", w.Code, w.Body)
	}
	if w := ask(h, http.MethodHead, "/ocsp/"+encoded); w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("Content-Length") != "6" {
		t.Errorf("HEAD: %d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestOCSPByPost(t *testing.T) {
	h, s := open(t)
	post := func(contentType string, body []byte) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/ocsp", bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, contentType := range []string{ocspRequest, "Application/OCSP-Request; x=y"} {
		if w := post(contentType, []byte("question")); w.Code != http.StatusOK || w.Body.String() != "answer" || string(s.asked[len(s.asked)-1]) != "question" {
			t.Errorf("%s: %d %q", contentType, w.Code, w.Body)
		}
	}
	if w := post("text/plain", []byte("question")); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", w.Code)
	}
	// Too long: the responder is asked nothing, which it answers as malformed.
	if w := post(ocspRequest, make([]byte, maxOCSPRequest+1)); w.Code != http.StatusOK || len(s.asked[len(s.asked)-1]) != 0 {
		t.Errorf("too long: %d, asked %d bytes", w.Code, len(s.asked[len(s.asked)-1]))
	}
	s.answer = Answer{DER: []byte("malformed")}
	if w := post(ocspRequest, []byte("x")); w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("ETag") != "" || w.Body.String() != "malformed" {
		t.Errorf("an error may be cached: %v", w.Header())
	}
	if w := ask(h, http.MethodGet, "/ocsp/***"); w.Code != http.StatusOK || len(s.asked[len(s.asked)-1]) != 0 {
		t.Errorf("rubbish in the address: %d", w.Code)
	}
	if w := ask(h, http.MethodPut, "/ocsp"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: %d %v", w.Code, w.Header())
	}
}
