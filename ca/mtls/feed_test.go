package mtls

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crl returns a CRL of ca in PEM.
func (f *forger) crl(ca testCA, number int64, change func(*x509.RevocationList), revoked ...*big.Int) []byte {
	f.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: testStart().Add(-time.Minute), NextUpdate: testStart().Add(24 * time.Hour)}
	for _, serial := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: testStart()})
	}
	if change != nil {
		change(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert, ca.key)
	if err != nil {
		f.t.Fatal(err)
	}
	return crlPEM(der)
}

func crlPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

// bundle returns the CRLs of both levels.
func (f *forger) bundle(number int64, revoked ...*big.Int) []byte {
	return append(f.crl(f.issuing, number, nil, revoked...), f.crl(f.root, 1, nil)...)
}

// feed is a server of a bundle that waits for changes as Postern's does, unless
// it is told to misbehave.
type feed struct {
	mu      sync.Mutex
	body    []byte
	changed chan struct{}
	instead http.HandlerFunc
	asked   atomic.Int64
	waited  atomic.Int64
	*httptest.Server
}

func newFeed(t testing.TB, body []byte) *feed {
	t.Helper()
	f := &feed{body: body, changed: make(chan struct{})}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	return f
}

// publish makes body what is served, and ends any misbehaviour.
func (f *feed) publish(body []byte) { f.become(body, nil) }

func (f *feed) become(body []byte, instead http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if body != nil {
		f.body = body
	}
	f.instead = instead
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *feed) now() ([]byte, string, chan struct{}, http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.body, fmt.Sprintf(`"%08x"`, crc32.ChecksumIEEE(f.body)), f.changed, f.instead
}

func (f *feed) serve(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	body, etag, changed, instead := f.now()
	if instead == nil && r.Header.Get("Prefer") != "" && r.Header.Get("If-None-Match") == etag {
		f.waited.Add(1)
		w.Header().Set("Preference-Applied", r.Header.Get("Prefer"))
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		body, etag, _, instead = f.now()
	}
	if instead != nil {
		instead(w, r)
		return
	}
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(body)
}

// follow runs c until the test ends, and waits until it has a bundle.
func follow(t testing.TB, c *CRLs) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("following the CRLs ended with %v", err)
		}
	})
	waitCtx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if err := c.Wait(waitCtx); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until check holds, and returns how long that took.
func eventually(t testing.TB, what string, check func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !check() {
		if time.Since(began) > time.Minute {
			t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}
