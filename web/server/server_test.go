package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book is a log that may be written and read at the same time.
type book struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *book) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *book) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a listener on a loopback port and stops it with the test.
func serve(t *testing.T, o Options) (url string, log *book) {
	t.Helper()
	log = new(book)
	o.Name, o.Addr, o.Log = "test", "127.0.0.1:0", slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + s.Addr().String(), log
}

func fetch(t *testing.T, r *http.Request) (int, http.Header, string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(body)
}

func get(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fetch(t, r)
}

func TestARequestIsOneEventWithoutItsSecrets(t *testing.T) {
	router := mux.NewRouter()
	router.Use(Routes)
	router.HandleFunc("/c/{token}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	url, log := serve(t, Options{Handler: router})
	r, _ := http.NewRequest(http.MethodGet, url+"/c/secret-in-path?q=secret-in-query", nil)
	r.Header.Set("Cookie", "a=secret-in-cookie")
	r.Header.Set("Authorization", "Bearer secret-in-header")
	_, header, _ := fetch(t, r)
	r, _ = http.NewRequest("SECRETMETHOD", url+"/secret-unmatched", nil)
	fetch(t, r)

	var events []map[string]any
	for line := range strings.Lines(log.String()) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if len(events) != 2 {
		t.Fatalf("two requests are %d events: %s", len(events), log)
	}
	for key, want := range map[string]any{
		"msg": "request", "listener": "test", "method": "GET", "route": "/c/{token}", "status": 200.0, "bytes": 5.0, "request": header.Get(RequestIDHeader),
	} {
		if events[0][key] != want {
			t.Errorf("%s is %v, want %v", key, events[0][key], want)
		}
	}
	if events[1]["route"] != "unmatched" || events[1]["method"] != "other" || events[1]["status"] != 404.0 {
		t.Errorf("got %v", events[1])
	}
	if strings.Contains(strings.ToLower(log.String()), "secret") {
		t.Errorf("a secret is in the log: %s", log)
	}
}

// TestWhatIsAskedOftenIsLoggedWhereItIsRefused has three answers on a route of the kind.
func TestWhatIsAskedOftenIsLoggedWhereItIsRefused(t *testing.T) {
	url, log := serve(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Often(w, "/often")
		status := http.StatusOK
		if _, err := fmt.Sscan(r.URL.Query().Get("status"), &status); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	})})
	for _, tt := range []struct {
		status int
		level  string
	}{{200, "DEBUG"}, {304, "DEBUG"}, {403, "INFO"}} {
		before := len(log.String())
		r, _ := http.NewRequest(http.MethodGet, fmt.Sprint(url, "/?status=", tt.status), nil)
		fetch(t, r)
		if got := log.String()[before:]; !strings.Contains(got, `"level":"`+tt.level+`","msg":"request"`) || !strings.Contains(got, `"route":"/often"`) {
			t.Errorf("%d: the log is %q, want one request at %s", tt.status, got, tt.level)
		}
	}
}

func TestAPanicIsAnAnswerAndALogEvent(t *testing.T) {
	url, log := serve(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Set-Cookie", "half=done")
		switch r.URL.Path {
		case "/begun":
			w.WriteHeader(http.StatusOK)
			fmt.Fprint(w, "half of it")
			_ = http.NewResponseController(w).Flush()
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		panic("the cat sat on the keyboard")
	})})
	status, header, body := get(t, url+"/")
	if status != http.StatusInternalServerError || header.Get("Content-Type") != "application/problem+json" || header.Get("Set-Cookie") != "" || strings.Contains(body, "cat") {
		t.Errorf("got %d %v %s", status, header, body)
	}
	if strings.Count(log.String(), "the cat sat") != 1 || !strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("the log has %s", log)
	}
	for _, path := range []string{"/begun", "/abort"} {
		answer, err := http.Get(url + path)
		if err == nil {
			_, err = io.ReadAll(answer.Body)
			answer.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the client takes half an answer for a whole one", path)
		}
	}
}

func TestForeignHostsAreRefused(t *testing.T) {
	url, _ := serve(t, Options{Hosts: append(LoopbackHosts(), "Admin.Example.com"), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "in") })})
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:9443": 200, "localhost:1": 200, "[::1]:80": 200, "admin.example.com": 200, "ADMIN.example.com.:443": 200,
		"evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:80": 421, "127.0.0.2": 421,
	} {
		r, _ := http.NewRequest(http.MethodGet, url, nil)
		r.Host = host
		if got, _, _ := fetch(t, r); got != want {
			t.Errorf("Host %q: %d, want %d", host, got, want)
		}
	}
}

func TestALongBodyIsCutOff(t *testing.T) {
	url, _ := serve(t, Options{MaxBody: 100, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			Problems{slog.New(slog.DiscardHandler)}.Write(w, r, fmt.Errorf("reading: %w", err))
		}
	})})
	for size, want := range map[int]int{0: 200, 100: 200, 101: 413, 100_000: 413} {
		r, _ := http.NewRequest(http.MethodPost, url, strings.NewReader(strings.Repeat("x", size)))
		if got, _, body := fetch(t, r); got != want {
			t.Errorf("%d bytes: %d %s, want %d", size, got, body, want)
		}
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	url, _ := serve(t, Options{Handler: http.NotFoundHandler()})
	r, _ := http.NewRequest(http.MethodGet, url, nil)
	r.Header.Set("X-Long", strings.Repeat("x", 2*maxHeaderBytes))
	if got, _, _ := fetch(t, r); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d", got)
	}
}

// TestASlowClientIsCutOff sends half a request and waits: the limits must end it.
func TestASlowClientIsCutOff(t *testing.T) {
	url, _ := serve(t, Options{ReadTimeout: 50 * time.Millisecond, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) })})
	for _, half := range []string{"GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, half)
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("%q: the server holds on to a client that says no more: %v", half, err)
		}
		conn.Close()
	}
}

func TestExtendOutlivesTheTimeouts(t *testing.T) {
	limit := 400 * time.Millisecond // in which a busy machine reads a request
	url, _ := serve(t, Options{ReadTimeout: limit, WriteTimeout: limit, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/extended" {
			Extend(w, time.Minute)
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(3 * limit):
		}
		fmt.Fprint(w, "late")
	})})
	if _, _, body := get(t, url+"/extended"); body != "late" {
		t.Errorf("got %q", body)
	}
	answer, err := http.Get(url + "/")
	if err == nil {
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if string(body) == "late" {
			t.Error("a request without Extend outlives the timeouts: this test tests nothing")
		}
	}
}

func TestAnAddressThatIsTakenIsAnError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = New(Options{Name: "test", Addr: taken.Addr().String(), Handler: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "test listener") {
		t.Errorf("got %v", err)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a listener without a handler is made")
	}
}

func TestMeasurementsHaveTemplatesAlone(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	metrics, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	router := mux.NewRouter()
	router.Use(Routes)
	router.HandleFunc("/c/{token}", func(http.ResponseWriter, *http.Request) {})
	url, _ := serve(t, Options{Handler: router, Metrics: metrics})
	for _, path := range []string{"/c/one", "/c/two", "/nowhere-1", "/nowhere-2"} {
		get(t, url+path)
	}
	want := `
# HELP postern_http_requests_total HTTP requests answered.
# TYPE postern_http_requests_total counter
postern_http_requests_total{listener="test",method="GET",route="/c/{token}",status="200"} 2
postern_http_requests_total{listener="test",method="GET",route="unmatched",status="404"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "postern_http_requests_total"); err != nil {
		t.Error(err)
	}
	if _, err := NewMetrics(registry); err == nil {
		t.Error("the same measurements are registered twice")
	}
}

// TestEveryAnswerIsSafe: also one that a panic took away, and one to a wrong name.
func TestEveryAnswerIsSafe(t *testing.T) {
	h := newStack(Options{Name: "test", Log: slog.New(slog.DiscardHandler), Hosts: []string{"example.com", "localhost"}, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/panic" {
				w.Header().Del("X-Frame-Options")
				panic("a test's")
			}
			http.NotFound(w, r)
		})})
	for target, hsts := range map[string]string{
		"http://example.com/": "", "https://example.com/": "max-age=31536000", "https://localhost:9443/": "",
		"http://example.com/panic": "", "http://evil.example/": "", "https://example.com/panic": "max-age=31536000",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		for name, want := range map[string]string{
			"Strict-Transport-Security": hsts, "Content-Security-Policy": DocumentPolicy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
	}
}

// TestHSTSIsAChoice: one that is set, and none.
func TestHSTSIsAChoice(t *testing.T) {
	for age, want := range map[time.Duration]string{0: "max-age=31536000", 24 * time.Hour: "max-age=86400", -1: ""} {
		h := newStack(Options{Name: "test", Log: slog.New(slog.DiscardHandler), HSTS: age, Handler: http.NotFoundHandler()})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://example.com/", nil))
		if got := w.Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("%v: got %q, want %q", age, got, want)
		}
	}
}
