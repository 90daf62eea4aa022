package est

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/limit"
)

// desk answers as the registrar would, and remembers what it was asked.
type desk struct {
	asked []string
	err   error
	log   bytes.Buffer
	now   time.Time
}

func (d *desk) options() Options {
	file := issuance.File{Certificate: issuance.Certificate{DER: []byte("certificate")}}
	return Options{
		Refused: func(_ context.Context, c issuance.Certificate, err error) {
			d.asked = append(d.asked, "refused "+string(c.Serial)+" "+string(issuance.CodeOf(err)))
		},
		Check: func(context.Context, *x509.Certificate) (issuance.Certificate, error) {
			return issuance.Certificate{Serial: "01"}, nil
		},
		Authorities: func() [][]byte { return [][]byte{[]byte("root"), []byte("issuing")} },
		Enroll: func(_ context.Context, q issuance.Enrollment) (issuance.Secret, issuance.File, error) {
			d.asked = append(d.asked, "enroll "+string(q.Token.Reveal())+" "+q.Code+" "+string(q.Claim.CSR))
			return issuance.Secret{}, file, d.err
		},
		Reenroll: func(_ context.Context, serial issuance.Serial, csr []byte) (issuance.File, error) {
			d.asked = append(d.asked, "reenroll "+string(serial)+" "+string(csr))
			return file, d.err
		},
		Limit: limit.Limit{PerSecond: 0.1, Burst: 2}, Now: func() time.Time { return d.now }, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	}
}

// post sends body, encoded, from address, with the user name and password "token" and "code".
func (d *desk) post(t *testing.T, h http.Handler, path, address, body string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, prefix+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/pkcs10")
	r.RemoteAddr = address
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
	r.SetBasicAuth("token", "code")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func handler(t *testing.T, o Options) http.Handler {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e.Before(http.NotFoundHandler())
}

func read(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestBodiesInBase64: as MIME has it, as RFC 8951 has it, and what is neither.
func TestBodiesInBase64(t *testing.T) {
	long := strings.Repeat("a CSR ", 30)
	text := base64.StdEncoding.EncodeToString([]byte(long))
	for body, want := range map[string]int{
		text:                           http.StatusOK,
		text[:76] + "\r\n" + text[76:]: http.StatusOK,
		" " + text[:8] + "\t" + text[8:] + "\n\n": http.StatusOK,
		strings.TrimRight(text[:10], "=") + "!":   http.StatusBadRequest,
		text[:9]:                                  http.StatusBadRequest,
		"-----BEGIN CERTIFICATE REQUEST-----\n" + text + "\n-----END CERTIFICATE REQUEST-----\n": http.StatusBadRequest,
		"":                 http.StatusBadRequest,
		"\x30\x82\x01\x00": http.StatusBadRequest,
	} {
		d := new(desk)
		o := d.options()
		got := d.post(t, handler(t, o), "simpleenroll", "192.0.2.1:5", body)
		if got.StatusCode != want {
			t.Errorf("%.40q: %d %s, want %d", body, got.StatusCode, read(t, got), want)
		}
		if asked := []string{"enroll token code " + long}; want == http.StatusOK && !cmp.Equal(asked, d.asked) || want != http.StatusOK && d.asked != nil {
			t.Errorf("%.40q: the registrar was asked %q", body, d.asked)
		}
	}
}

// TestStatuses has the registrar refuse for each reason there is.
func TestStatuses(t *testing.T) {
	for code, tc := range map[issuance.Code]struct {
		kind   issuance.Kind
		status int
		retry  string
	}{
		issuance.CodeLink:         {issuance.NotFound, 401, ""},
		issuance.CodeWrongCode:    {issuance.Denied, 401, ""},
		issuance.CodeMalformed:    {issuance.Invalid, 401, ""},
		issuance.CodeExpired:      {issuance.Denied, 401, ""},
		issuance.CodeSpent:        {issuance.Limited, 401, ""},
		issuance.CodeNone:         {issuance.Conflict, 401, ""},
		issuance.CodeClaimed:      {issuance.Conflict, 401, ""},
		issuance.CodeLocked:       {issuance.Denied, 403, ""},
		issuance.CodeCancelled:    {issuance.Conflict, 403, ""},
		issuance.CodeRenewalOff:   {issuance.Denied, 403, ""},
		issuance.CodeRenewalEarly: {issuance.Denied, 403, ""},
		issuance.CodeFourEyes:     {issuance.Denied, 403, ""},
		issuance.CodeRenewed:      {issuance.Conflict, 409, ""},
		issuance.CodeState:        {issuance.Conflict, 409, ""},
		issuance.CodeCSR:          {issuance.Invalid, 400, ""},
		issuance.CodeInvalid:      {issuance.Invalid, 400, ""},
		issuance.CodeBusy:         {issuance.Unavailable, 202, "3"},
		issuance.CodeClock:        {issuance.Unavailable, 503, "3"},
	} {
		d := new(desk)
		e := &issuance.Error{Kind: tc.kind, Code: code, Message: "what happened", Hint: "what to do"}
		if tc.retry != "" {
			e.Retry = 2500 * time.Millisecond
		}
		d.err = e
		h := handler(t, d.options())
		for _, path := range []string{"simpleenroll", "simplereenroll"} {
			got := d.post(t, h, path, "192.0.2.1:5", "Q1NS")
			body := read(t, got)
			if got.StatusCode != tc.status || got.Header.Get("Retry-After") != tc.retry || got.Header.Get("Content-Type") != "text/plain; charset=utf-8" ||
				!strings.Contains(body, "what happened") || !strings.Contains(body, "what to do") {
				t.Errorf("%s, %s: %d %v %q, want %d", path, code, got.StatusCode, got.Header, body, tc.status)
			}
		}
		if d.log.Len() > 0 {
			t.Errorf("%s is logged: %s", code, &d.log)
		}
	}
}

func TestInternalErrorsAreLoggedAndNotShown(t *testing.T) {
	d := &desk{err: errors.New("the disk is gone")}
	got := d.post(t, handler(t, d.options()), "simpleenroll", "192.0.2.1:5", "Q1NS")
	body := read(t, got)
	if got.StatusCode != http.StatusInternalServerError || strings.Contains(body, "disk") || !strings.Contains(body, "internal error") {
		t.Errorf("%d %s", got.StatusCode, body)
	}
	if log := d.log.String(); !strings.Contains(log, "the disk is gone") || strings.Contains(log, "token") || strings.Contains(log, "=code") {
		t.Errorf("logged: %s", log)
	}
}

// TestPostsAreLimited: for each address, before anything is read or asked.
func TestPostsAreLimited(t *testing.T) {
	d := new(desk)
	h := handler(t, d.options())
	for _, path := range []string{"simpleenroll", "simplereenroll"} {
		if got := d.post(t, h, path, "192.0.2.1:5", "Q1NS"); got.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", got.StatusCode, read(t, got))
		}
	}
	for _, path := range []string{"simpleenroll", "simplereenroll"} {
		got := d.post(t, h, path, "192.0.2.1:6", "Q1NS")
		if got.StatusCode != http.StatusTooManyRequests || got.Header.Get("Retry-After") != "10" {
			t.Errorf("%s: %d, Retry-After %q", path, got.StatusCode, got.Header.Get("Retry-After"))
		}
	}
	if got := d.post(t, h, "simpleenroll", "192.0.2.2:5", "Q1NS"); got.StatusCode != http.StatusOK {
		t.Errorf("another address: %d", got.StatusCode)
	}
	d.now = d.now.Add(11 * time.Second)
	if got := d.post(t, h, "simpleenroll", "192.0.2.1:5", "Q1NS"); got.StatusCode != http.StatusOK {
		t.Errorf("later: %d", got.StatusCode)
	}
	if len(d.asked) != 4 {
		t.Errorf("the registrar was asked %d times, want 4", len(d.asked))
	}
}

func TestOneContentType(t *testing.T) {
	for _, said := range [][]string{nil, {"application/pkcs10", "text/plain"}, {"application/pkcs7-mime"}, {"application/pkcs10; x"}, {"/"}} {
		d := new(desk)
		r := httptest.NewRequest(http.MethodPost, prefix+"simpleenroll", strings.NewReader("Q1NS"))
		r.Header["Content-Type"] = said
		r.SetBasicAuth("token", "code")
		w := httptest.NewRecorder()
		handler(t, d.options()).ServeHTTP(w, r)
		if w.Code != http.StatusUnsupportedMediaType || d.asked != nil {
			t.Errorf("%q: %d, the registrar was asked %q", said, w.Code, d.asked)
		}
	}
}

func TestNewRefusesWhatIsNotWired(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a handler without anything is made")
	}
}
