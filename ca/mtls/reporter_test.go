package mtls

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// collector is what takes reports. The endpoint itself is in package web/auth.
type collector struct {
	mu      sync.Mutex
	uses    map[string]use
	posts   []int // records of each
	instead http.HandlerFunc
	*httptest.Server
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{uses: map[string]use{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var got struct{ Uses []use }
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer ours" {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	if c.instead != nil {
		c.instead(w, r)
		return
	}
	c.posts = append(c.posts, len(got.Uses))
	for _, u := range got.Uses {
		sum := c.uses[u.Serial]
		sum.Serial = u.Serial
		sum.add(u)
		c.uses[u.Serial] = sum
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, `{"taken":1,"unknown":0,"invalid":0}`)
}

func (c *collector) become(instead http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instead = instead
}

func (c *collector) of(cert *x509.Certificate) use {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.uses[fmt.Sprintf("%034x", cert.SerialNumber)]
	u.Serial = ""
	return u
}

// TestUsesAreReported: each check of a certificate of ours, and each handshake that
// is refused, also while nobody takes the report.
func TestUsesAreReported(t *testing.T) {
	f := newForger(t)
	c := newCollector(t)
	at := &clock{}
	log := &strings.Builder{}
	r := &Reporter{URL: c.URL, Secret: func() string { return "ours\n" }, Now: at.now, Log: slog.New(slog.NewTextHandler(log, nil))}
	good, revoked, early := f.parsed(nil), f.parsed(nil), f.parsed(nil)
	server := newFeed(t, f.bundle(1, revoked.SerialNumber))
	crls := &CRLs{CAs: f.cas, URL: server.URL, Now: at.now}
	if err := crls.take(f.bundle(1, revoked.SerialNumber)); err != nil {
		t.Fatal(err)
	}
	mallory := newForger(t)
	forged := mallory.parsed(nil)
	forged.SerialNumber = good.SerialNumber
	v := &Verifier{CAs: f.cas, Revocation: crls, Now: at.now, Reporter: r}
	use1 := func(certs ...*x509.Certificate) {
		for _, cert := range certs {
			_, _ = v.Check(context.Background(), []*x509.Certificate{cert})
			at.advance(time.Second)
		}
	}
	c.become(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	use1(good, good, revoked, forged)
	if _, err := v.Check(context.Background(), nil); codeOf(err) != CodeMissing {
		t.Errorf("without a certificate: got %v", err)
	}
	if err := r.Flush(context.Background()); err == nil {
		t.Error("a report that nobody takes is no error")
	}
	use1(good)
	c.become(nil)
	if err := r.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got, want := c.of(good), (use{Count: 3, First: testStart(), Last: testStart().Add(4 * time.Second)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := c.of(revoked), (use{Refused: 1, RefusedLast: testStart().Add(2 * time.Second), RefusedCode: "certificate-revoked"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	at.ahead.Store(0)
	at.advance(early.NotBefore.Add(-time.Second).Sub(testStart()))
	use1(early)
	v.Revocation = nil // nobody can tell: no refusal of the certificate's
	use1(early)
	if err := errors.Join(r.Flush(context.Background()), r.Flush(context.Background())); err != nil {
		t.Fatal(err)
	}
	if got := c.of(early); got.Refused != 1 || got.RefusedCode != "certificate-early" || got.Count != 0 {
		t.Errorf("got %+v", got)
	}
	if len(c.uses) != 3 || len(c.posts) != 2 {
		t.Errorf("%d certificates in %d reports, want 3 in 2", len(c.uses), len(c.posts))
	}
}

// TestAHandshakeThatIsRefusedIsReported, a real one; one that is let in is not: its
// requests are.
func TestAHandshakeThatIsRefusedIsReported(t *testing.T) {
	f := newForger(t)
	c := newCollector(t)
	r := &Reporter{URL: c.URL, Secret: func() string { return "ours" }, Now: testStart}
	crls := &CRLs{CAs: f.cas, URL: "http://127.0.0.1/", Now: testStart}
	good, held, expired := f.parsed(nil), f.parsed(nil), f.parsed(nil)
	mallory := newForger(t).parsed(nil)
	onHold := func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = 6 }
	if err := crls.take(append(f.crl(f.issuing, 1, onHold, held.SerialNumber), f.crl(f.root, 1, nil)...)); err != nil {
		t.Fatal(err)
	}
	v := &Verifier{CAs: f.cas, Revocation: crls, Now: testStart, Reporter: r}
	late := &Verifier{CAs: f.cas, Revocation: crls, Now: func() time.Time { return expired.NotAfter.Add(time.Second) }, Reporter: r}
	for _, try := range []struct {
		v    *Verifier
		cert *x509.Certificate
		in   bool
	}{{v, good, true}, {v, held, false}, {late, expired, false}, {v, mallory, false}} {
		if err := f.handshake(try.v, f.server(), [][]byte{try.cert.Raw}); (err == nil) != try.in {
			t.Errorf("got %v, want in: %t", err, try.in)
		}
	}
	if err := r.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		cert *x509.Certificate
		code string
	}{"held": {held, "certificate-held"}, "expired": {expired, "certificate-expired"}} {
		if got := c.of(want.cert); got.Refused != 1 || got.Count != 0 || got.RefusedCode != want.code {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if len(c.uses) != 2 {
		t.Errorf("%d certificates are reported, want 2", len(c.uses))
	}
}

// TestReportsAreBounded in number and in what one request has.
func TestReportsAreBounded(t *testing.T) {
	c := newCollector(t)
	log := &strings.Builder{}
	r := &Reporter{URL: c.URL, Secret: func() string { return "ours" }, Log: slog.New(slog.NewTextHandler(log, nil))}
	saw := func() {
		for n := range int64(maxReported + 5) {
			r.saw(&x509.Certificate{SerialNumber: big.NewInt(n + 1)}, nil)
		}
	}
	saw()
	c.become(func(w http.ResponseWriter, _ *http.Request) {
		if c.posts = append(c.posts, 0); len(c.posts) == 3 {
			w.WriteHeader(http.StatusInternalServerError) // of the third batch on
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{}`)
	})
	if err := r.Flush(context.Background()); err == nil {
		t.Error("no error")
	}
	if len(r.pending) != maxReported-2*reportBatch {
		t.Errorf("%d certificates are kept", len(r.pending))
	}
	saw() // those that are kept are counted on, and there is room for others
	if len(r.pending) != maxReported {
		t.Errorf("%d certificates are kept", len(r.pending))
	}
	c.become(nil)
	c.posts = nil
	if err := r.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(c.posts) != maxReported/reportBatch || slices.Max(c.posts) > reportBatch {
		t.Errorf("got %d requests", len(c.posts))
	}
	if got := strings.Count(log.String(), "too many certificates"); got != 2 || !strings.Contains(log.String(), "uses=5") {
		t.Errorf("what was dropped is not told: %s", log)
	}
}

// TestARequestWaitsForNoReport while Postern does not answer one.
func TestARequestWaitsForNoReport(t *testing.T) {
	f := newForger(t)
	c := newCollector(t)
	r := &Reporter{URL: c.URL, Secret: func() string { return "ours" }, Now: testStart}
	asked, answer := make(chan bool), make(chan bool)
	c.become(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		w.WriteHeader(http.StatusGatewayTimeout)
	})
	cert := f.parsed(nil)
	r.saw(cert, nil)
	flushed := make(chan error, 1)
	go func() { flushed <- r.Flush(context.Background()) }()
	<-asked
	for range 3 { // it would hang here
		r.saw(cert, nil)
	}
	close(answer)
	if err := <-flushed; err == nil {
		t.Error("no error")
	}
	c.become(nil)
	if err := r.Flush(context.Background()); err != nil || c.of(cert).Count != 4 {
		t.Errorf("got %v, %+v", err, c.of(cert))
	}
}

func TestTheLastReportIsSentAtTheEnd(t *testing.T) {
	f := newForger(t)
	c := newCollector(t)
	r := &Reporter{URL: c.URL, Secret: func() string { return "ours" }, Now: testStart}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	cert := f.parsed(nil)
	r.saw(cert, nil)
	cancel()
	if err := <-ended; err != context.Canceled {
		t.Errorf("got %v", err)
	}
	if got := c.of(cert); got.Count != 1 {
		t.Errorf("got %+v", got)
	}
}
