package mtls

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// responder is an OCSP responder that a test tells what to answer.
type responder struct {
	f        *forger
	asked    atomic.Int64
	answer   func(request *ocsp.Request) []byte
	instead  http.HandlerFunc
	delegate testCA // signs; the zero value: the issuing CA
	*httptest.Server
}

func newResponder(f *forger) *responder {
	r := &responder{f: f}
	r.answer = func(q *ocsp.Request) []byte { return r.signed(q, nil) }
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.asked.Add(1)
		if r.instead != nil {
			r.instead(w, request)
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil || request.Header.Get("Content-Type") != "application/ocsp-request" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		question, err := ocsp.ParseRequest(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write(r.answer(question))
	}))
	f.t.Cleanup(r.Close)
	return r
}

// signed returns an answer, good for ten minutes if change does not say otherwise.
func (r *responder) signed(q *ocsp.Request, change func(*ocsp.Response)) []byte {
	answer := ocsp.Response{Status: ocsp.Good, SerialNumber: q.SerialNumber, ThisUpdate: testStart(), NextUpdate: testStart().Add(10 * time.Minute)}
	by := r.f.issuing
	if r.delegate.cert != nil {
		by, answer.Certificate = r.delegate, r.delegate.cert
	}
	if change != nil {
		change(&answer)
	}
	der, err := ocsp.CreateResponse(r.f.issuing.cert, by.cert, answer, by.key)
	if err != nil {
		panic(err)
	}
	return der
}

func (r *responder) changed(change func(*ocsp.Response)) func(*ocsp.Request) []byte {
	return func(q *ocsp.Request) []byte { return r.signed(q, change) }
}

// charged returns a responder's certificate from ca.
func (f *forger) charged(ca testCA, change func(*x509.Certificate)) testCA {
	key := testKey(f.t)
	template := &x509.Certificate{
		SerialNumber: serialOf(f.t), NotBefore: testStart().Add(-time.Hour), NotAfter: testStart().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	}
	if change != nil {
		change(template)
	}
	return testCA{ca.sign(f.t, template, key.Public()), key}
}

// TestOCSPAnswers has what a responder says, or somebody in its place.
func TestOCSPAnswers(t *testing.T) {
	f := newForger(t)
	mallory := testSub(t, nil, "Client Issuing CA 1", func(c *x509.Certificate) { c.SubjectKeyId = f.issuing.cert.SubjectKeyId })
	client := testCA{f.parsed(nil), f.key} // a client of ours, which answers for itself
	status := func(s, reason int) func(*responder) {
		return func(r *responder) {
			r.answer = r.changed(func(a *ocsp.Response) { a.Status, a.RevocationReason, a.RevokedAt = s, reason, testStart() })
		}
	}
	by := func(d testCA) func(*responder) { return func(r *responder) { r.delegate = d } }
	dates := func(this, next time.Duration) func(*responder) {
		return func(r *responder) {
			r.answer = r.changed(func(a *ocsp.Response) {
				a.ThisUpdate, a.NextUpdate = testStart().Add(this), testStart().Add(next)
			})
		}
	}
	raw := func(body []byte) func(*responder) {
		return func(r *responder) { r.answer = func(*ocsp.Request) []byte { return body } }
	}
	template := func(change func(*x509.Certificate)) testCA { return f.charged(f.issuing, change) }
	tests := map[string]struct {
		set  func(*responder)
		want Code
	}{
		"good, by the CA":                   {func(*responder) {}, ""},
		"good, by its responder":            {by(template(nil)), ""},
		"revoked":                           {status(ocsp.Revoked, ocsp.KeyCompromise), CodeRevoked},
		"revoked without a reason":          {status(ocsp.Revoked, ocsp.Unspecified), CodeRevoked},
		"held":                              {status(ocsp.Revoked, ocsp.CertificateHold), CodeHeld},
		"unknown":                           {status(ocsp.Unknown, 0), CodeUnknown},
		"by a client":                       {by(client), CodeUnavailable},
		"by a responder for all usages":     {by(template(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })), CodeUnavailable},
		"by a responder that may not sign":  {by(template(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })), CodeUnavailable},
		"by a responder that has expired":   {by(template(func(c *x509.Certificate) { c.NotAfter = testStart().Add(-time.Second) })), CodeUnavailable},
		"by a responder that has not begun": {by(template(func(c *x509.Certificate) { c.NotBefore = testStart().Add(time.Second) })), CodeUnavailable},
		"by a responder of the root":        {by(f.charged(f.root, nil)), CodeUnavailable},
		"by a responder of another CA":      {by(f.charged(mallory, nil)), CodeUnavailable},
		"by another CA of the same name":    {by(mallory), CodeUnavailable},
		"about another certificate":         {func(r *responder) { r.answer = r.changed(func(a *ocsp.Response) { a.SerialNumber = serialOf(t) }) }, CodeUnavailable},
		"lapsed":                            {dates(-time.Hour, 0), CodeUnavailable},
		"of the future":                     {dates(time.Hour, 2*time.Hour), CodeUnavailable},
		"without an end":                    {func(r *responder) { r.answer = r.changed(func(a *ocsp.Response) { a.NextUpdate = time.Time{} }) }, CodeUnavailable},
		"try later":                         {raw(ocsp.TryLaterErrorResponse), CodeUnavailable},
		"unauthorized":                      {raw(ocsp.UnauthorizedErrorResponse), CodeUnavailable},
		"rubbish":                           {raw([]byte("<html>")), CodeUnavailable},
		"nothing":                           {raw(nil), CodeUnavailable},
		"endless":                           {raw(make([]byte, 1<<20)), CodeUnavailable},
		"500":                               {func(r *responder) { r.instead = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) } }, CodeUnavailable},
		"cut": {func(r *responder) {
			r.instead = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, CodeUnavailable},
	}
	chain, err := f.cas.Verify([]*x509.Certificate{f.parsed(nil)}, testStart())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newResponder(f)
			test.set(r)
			source := &OCSP{URL: r.URL, Now: testStart}
			err := source.Status(context.Background(), chain)
			if codeOf(err) != test.want || (err == nil) != (test.want == "") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	source := &OCSP{Now: testStart}
	if err := source.Status(context.Background(), chain); codeOf(err) != CodeUnavailable || !strings.Contains(err.Error(), "names no responder") {
		t.Errorf("a certificate without a responder: got %v", err)
	}
}

// TestOCSPAnswersAreKept until half of what is left of their life is over, or
// MaxAge, and to their end if the responder is away.
func TestOCSPAnswersAreKept(t *testing.T) {
	f := newForger(t)
	chain, err := f.cas.Verify([]*x509.Certificate{f.parsed(nil)}, testStart())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		maxAge time.Duration
		// At these moments: how often was it asked in all, and what comes of it. The
		// responder is away from the third step on.
		at    [5]time.Duration
		asked [5]int64
		code  [5]Code
	}{
		"half":   {0, [5]time.Duration{0, 5*time.Minute - time.Second, 5 * time.Minute, 10*time.Minute - time.Second, 10 * time.Minute}, [5]int64{1, 1, 2, 3, 4}, [5]Code{"", "", "", "", CodeUnavailable}},
		"maxAge": {time.Minute, [5]time.Duration{0, 59 * time.Second, time.Minute, 61 * time.Second, 62 * time.Second}, [5]int64{1, 1, 2, 3, 4}, [5]Code{"", "", CodeUnavailable, CodeUnavailable, CodeUnavailable}},
	} {
		t.Run(name, func(t *testing.T) {
			at := &clock{}
			r := newResponder(f)
			source := &OCSP{URL: r.URL, MaxAge: test.maxAge, Now: at.now}
			for i := range test.at {
				at.ahead.Store(int64(test.at[i]))
				if i == 2 {
					r.instead = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
				}
				err := source.Status(context.Background(), chain)
				if got := r.asked.Load(); codeOf(err) != test.code[i] || got != test.asked[i] {
					t.Errorf("after %v: %v, asked %d times, want %q, %d", test.at[i], err, got, test.code[i], test.asked[i])
				}
			}
		})
	}
}

// TestWhatWasRevokedStaysSo when the source is away and answers have lapsed.
func TestWhatWasRevokedStaysSo(t *testing.T) {
	f := newForger(t)
	chain, err := f.cas.Verify([]*x509.Certificate{f.parsed(nil)}, testStart())
	if err != nil {
		t.Fatal(err)
	}
	at := &clock{}
	r := newResponder(f)
	r.answer = r.changed(func(a *ocsp.Response) { a.Status, a.RevokedAt = ocsp.Revoked, testStart() })
	source := &OCSP{URL: r.URL, Now: at.now}
	for _, ahead := range []time.Duration{0, time.Hour, 2 * time.Hour} {
		at.ahead.Store(int64(ahead))
		if err := source.Status(context.Background(), chain); codeOf(err) != CodeRevoked {
			t.Errorf("after %v: got %v, want %s", ahead, err, CodeRevoked)
		}
		r.instead = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	}
}

// TestOneQuestionForMany: a thousand requests of one client are one question, and
// who goes away does not end it for the others.
func TestOneQuestionForMany(t *testing.T) {
	var kept answers
	var asked atomic.Int64
	release := make(chan struct{})
	q := question{now: testStart, ask: func(ctx context.Context) (verdict, error) {
		asked.Add(1)
		select {
		case <-release:
			return verdict{until: testStart().Add(time.Minute)}, nil
		case <-ctx.Done():
			return verdict{}, ctx.Err()
		}
	}}
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error, 1)
	go func() { first <- kept.get(ctx, q) }()
	eventually(t, "the question", func() bool { return asked.Load() == 1 })
	results := make(chan error, 1000)
	for range cap(results) {
		go func() { results <- kept.get(context.Background(), q) }()
	}
	cancel()
	if err := <-first; codeOf(err) != CodeUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("who went away: got %v", err)
	}
	close(release)
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if got := asked.Load(); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
	for n := range 2 * maxAnswers {
		q.id = [32]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}
		if err := kept.get(context.Background(), q); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(kept.of); got > maxAnswers {
		t.Errorf("%d answers are kept, want at most %d", got, maxAnswers)
	}
}

// TestTheRequestNamesTheCertificate as a responder expects it.
func TestTheRequestNamesTheCertificate(t *testing.T) {
	f := newForger(t)
	chain, err := f.cas.Verify([]*x509.Certificate{f.parsed(nil)}, testStart())
	if err != nil {
		t.Fatal(err)
	}
	r := newResponder(f)
	r.answer = func(q *ocsp.Request) []byte {
		if q.SerialNumber.Cmp(chain.Leaf.SerialNumber) != 0 || q.HashAlgorithm != crypto.SHA1 {
			t.Errorf("asked for %x by %v", q.SerialNumber, q.HashAlgorithm)
		}
		return r.signed(q, nil)
	}
	named := *chain.Leaf
	named.OCSPServer = []string{r.URL}
	chain.Leaf = &named
	if err := (&OCSP{Now: testStart}).Status(context.Background(), chain); err != nil {
		t.Error(err)
	}
}
