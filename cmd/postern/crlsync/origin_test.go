package crlsync_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/postern-ca/postern/ca/crlfile"
	"github.com/postern-ca/postern/ca/crlfile/crlfiletest"
	"github.com/postern-ca/postern/cmd/postern/crlsync"
	"github.com/postern-ca/postern/issuance"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

type list = crlfiletest.List

// origin serves a bundle and a chain as Postern does, and misbehaves on demand.
type origin struct {
	*httptest.Server
	root, issuing *crlfiletest.CA

	mu      sync.Mutex
	bundle  []byte
	chain   []byte
	changed chan struct{}
	fault   http.HandlerFunc // answers instead, if it is not nil
	waiting int
	asked   int
}

func newOrigin(t testing.TB) *origin {
	t.Helper()
	root := crlfiletest.Root(t, "Root")
	o := &origin{root: root, issuing: root.Issue(t, "Issuing 1", nil), changed: make(chan struct{})}
	o.chain = crlfiletest.PEM(o.issuing, root)
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

// lists returns a bundle of which the issuing CA's CRL is l.
func (o *origin) lists(t testing.TB, l list) []byte {
	t.Helper()
	return slices.Concat(o.issuing.CRL(t, l), o.root.CRL(t, list{Number: 1, NextUpdate: time.Now().AddDate(0, 6, 0)}))
}

// serve has the origin serve text from now on, and tells those who wait.
func (o *origin) serve(text []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bundle = text
	close(o.changed)
	o.changed = make(chan struct{})
	return text
}

// fail has f answer instead, until it is nil.
func (o *origin) fail(f http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fault = f
}

// questions is how often it was asked.
func (o *origin) questions() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

func tag(text []byte) string { return fmt.Sprintf(`"%x"`, sha256.Sum256(text)) }

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	text, changed, fault := o.bundle, o.changed, o.fault
	o.asked++
	if r.URL.Path == "/pki/chain.pem" {
		text = o.chain
	}
	o.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	if r.Header.Get("If-None-Match") == tag(text) {
		if r.Header.Get("Prefer") == "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Preference-Applied", r.Header.Get("Prefer"))
		o.mu.Lock()
		o.waiting++
		o.mu.Unlock()
		var wait int
		fmt.Sscanf(r.Header.Get("Prefer"), "wait=%d", &wait)
		select {
		case <-changed:
		case <-r.Context().Done():
		case <-time.After(time.Duration(wait) * time.Second):
		}
		o.mu.Lock()
		o.waiting--
		same := bytes.Equal(text, o.bundle)
		text = o.bundle
		o.mu.Unlock()
		if same {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("ETag", tag(text))
	w.Write(text)
}

// beside is a machine that follows an origin.
type beside struct {
	t        testing.TB
	dir, out string
	origin   *origin
	options  crlsync.Options
	log      *lockedBuffer
	registry *prometheus.Registry
}

func newBeside(t testing.TB) *beside {
	t.Helper()
	b := &beside{t: t, dir: t.TempDir(), origin: newOrigin(t), log: new(lockedBuffer)}
	b.out = filepath.Join(b.dir, "crl-bundle.pem")
	b.write("root.pem", crlfiletest.PEM(b.origin.root))
	b.options = crlsync.Options{
		URL: b.origin.URL + "/pki/crl-bundle.pem", CA: filepath.Join(b.dir, "root.pem"), Out: b.out,
		WarnBefore: time.Hour, Interval: 10 * time.Millisecond, Timeout: 5 * time.Second, CommandTimeout: 10 * time.Second,
		Client: &http.Client{Transport: &http.Transport{}}, Environ: os.Environ(), Now: time.Now, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	return b
}

func (b *beside) write(name string, text []byte) {
	b.t.Helper()
	must(b.t, os.WriteFile(filepath.Join(b.dir, name), text, 0o644))
}

// read returns what a file of the directory has, "" if there is none.
func (b *beside) read(name string) string {
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil && !os.IsNotExist(err) {
		b.t.Error(err)
	}
	return string(text)
}

func (b *beside) sync() *crlsync.Sync {
	b.t.Helper()
	var err error
	b.registry = prometheus.NewRegistry()
	b.options.Metrics, err = crlsync.NewMetrics(b.registry)
	must(b.t, err)
	s, err := crlsync.New(b.options)
	must(b.t, err)
	return s
}

func (b *beside) once() error {
	b.t.Helper()
	return b.sync().Once(b.t.Context())
}

// run follows until stop is called.
func (b *beside) run() (stop func()) {
	b.t.Helper()
	s := b.sync()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		must(b.t, <-done)
	})
	b.t.Cleanup(stop)
	return stop
}

// metric returns the value of a metric, with its labels, as Prometheus reads it.
func (b *beside) metric(name string) string {
	b.t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(b.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// until waits for what must come.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s has not come in %v", what, patience)
		}
	}
}

// whole fails the test if the file is not one that a server may use, and returns
// the number of the issuing CA's CRL.
func (b *beside) whole(text []byte) int64 {
	b.t.Helper()
	anchors, err := crlfile.ParseAnchors(crlfiletest.PEM(b.origin.root, b.origin.issuing))
	must(b.t, err)
	bundle, err := crlfile.Check{CAs: anchors.CAs(), Now: time.Now()}.Verify(text)
	if err != nil {
		b.t.Errorf("the file on the disk, %d bytes, is not sound: %v", len(text), err)
		return -1
	}
	return bundle.Lists[0].Number.Int64()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func secret(s string) issuance.Secret { return issuance.NewSecret([]byte(s)) }

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
