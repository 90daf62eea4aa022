package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/limit"
)

// RequestIDHeader is the header of an answer with the id that the request also has
// in its log event. The id reveals nothing about the request.
const RequestIDHeader = "X-Request-Id"

// stack is what every request passes: it names, limits, measures and logs it,
// and turns a panic into an answer.
type stack struct {
	opts  Options
	hosts map[string]bool
	runID string // of this process, so that ids of two do not meet
	count atomic.Uint64
	after following
	safe  security

	source *limit.Source
}

func newStack(o Options) *stack {
	var id [4]byte
	rand.Read(id[:])
	s := &stack{opts: o, runID: hex.EncodeToString(id[:]) + "-", safe: newSecurity(o.HSTS), source: o.Source}
	if s.source == nil {
		s.source = new(limit.Source)
	}
	if len(o.Hosts) > 0 {
		s.hosts = make(map[string]bool)
		for _, h := range o.Hosts {
			s.hosts[hostName(h)] = true
		}
	}
	return s
}

func (s *stack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w, id: [1]string{s.runID + strconv.FormatUint(s.count.Add(1), 10)}}
	s.safe.set(w.Header(), r)
	w.Header()[RequestIDHeader] = rec.id[:]
	defer s.finish(rec, r, start)
	if s.hosts != nil && !s.hosts[hostName(r.Host)] {
		Problems{s.opts.Log}.Write(rec, r, &issuance.Error{
			Kind: issuance.Invalid, Code: CodeHost, Message: "this listener does not have that host name",
			Hint: "use the configured address",
		})
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(rec, r.Body, s.opts.MaxBody)
	}
	s.opts.Handler.ServeHTTP(rec, r)
}

// finish answers a panic, then logs and measures the request.
func (s *stack) finish(rec *recorder, r *http.Request, start time.Time) {
	panicked := recover()
	if panicked != nil {
		s.failed(rec, r, panicked)
	}
	status := rec.status
	if status == 0 {
		status = http.StatusOK // net/http writes it
	}
	took := time.Since(start)
	route, method := rec.route, knownMethod(r.Method)
	if route == "" {
		route = "unmatched"
	}
	level := slog.LevelInfo
	if rec.often && status < http.StatusBadRequest {
		level = slog.LevelDebug
	}
	if s.opts.Log.Enabled(r.Context(), level) {
		s.opts.Log.LogAttrs(r.Context(), level, "request",
			slog.String("listener", s.opts.Name), slog.String("method", method), slog.String("route", route),
			slog.Int("status", status), slog.Int64("bytes", rec.bytes), slog.Duration("duration", took),
			slog.String("request", rec.id[0]), slog.String("address", addressText(s.source.Of(r))), rec.who())
	}
	s.opts.Metrics.observe(seen{s.opts.Name, route, method, status}, took)
	if panicked != nil && rec.cut {
		panic(http.ErrAbortHandler) // what was written is not the whole answer: cut the connection
	}
	if rec.after != nil {
		s.after.run(func() { s.runAfter(rec) })
	}
}

// following is what was handed to After and runs.
type following struct {
	mu      sync.Mutex
	stopped bool
	all     sync.WaitGroup
}

// run runs f beside the caller, or, once there was a stop, at once.
func (r *following) run(f func()) {
	r.mu.Lock()
	stopped := r.stopped
	if !stopped {
		r.all.Add(1)
	}
	r.mu.Unlock()
	if stopped {
		f()
		return
	}
	go func() {
		defer r.all.Done()
		f()
	}()
}

// stop waits for all that runs.
func (r *following) stop() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.all.Wait()
}

func (s *stack) runAfter(rec *recorder) {
	defer func() {
		if panicked := recover(); panicked != nil {
			s.opts.Log.Error("work after a request panicked", "listener", s.opts.Name, "route", rec.route,
				"panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
		}
	}()
	rec.after()
}

// After runs f when the handler for w has returned, while the connection's next
// request may already be served. A shutdown waits for f. The answer must not depend
// on f, and there can be only one f for each request. If w does not belong to one
// of this package's listeners, f runs at once.
func After(w http.ResponseWriter, f func()) {
	if rec := recorderOf(w); rec != nil {
		rec.after = f
		return
	}
	f()
}

func (s *stack) failed(rec *recorder, r *http.Request, panicked any) {
	if err, ok := panicked.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		rec.cut = true
		return
	}
	s.opts.Log.Error("a request panicked", "listener", s.opts.Name, "route", rec.route, "request", rec.id[0],
		"panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
	if rec.status != 0 {
		rec.cut = true
		return
	}
	header := rec.Header()
	for name := range header {
		if name != RequestIDHeader {
			header.Del(name)
		}
	}
	s.safe.set(header, r)
	if s.opts.Failed != nil {
		s.opts.Failed(rec, r)
		return
	}
	Problems{s.opts.Log}.internal(rec)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	id     [1]string
	route  string
	often  bool
	status int
	bytes  int64
	cut    bool
	after  func()
	by     *issuance.Actor // nil: nobody whom we know
}

// who is the group of attributes about who sent the request, empty if nobody knows.
func (r *recorder) who() slog.Attr {
	if r.by == nil {
		return slog.Attr{}
	}
	return slog.Group("", slog.String("actor", r.by.ID), slog.String("name", r.by.Name), slog.String("owner", r.by.Owner))
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// hostName returns the name in a Host header, in lower case and without its port.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// LoopbackHosts are the host names of this computer's loopback interface, for
// Options.Hosts.
func LoopbackHosts() []string { return []string{"localhost", "127.0.0.1", "::1"} }

// IsLoopbackHost reports whether a Host header names the loopback interface.
func IsLoopbackHost(host string) bool {
	return issuance.IsLoopback(hostName(host))
}

// knownMethod returns method if it is one of HTTP's: a stranger must not make up
// labels of measurements.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "other"
}
