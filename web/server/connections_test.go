package server

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/postern-ca/postern/web/limit"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestAnIdleConnectionMakesRoom: with a real listener, idle and half a request are
// closed for a new one, and a request that is being answered is not.
func TestAnIdleConnectionMakesRoom(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	metrics, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	all := &limit.Connections{Most: 3, OfOne: 3}
	began, finish := make(chan bool, 1), make(chan bool)
	url, log := serve(t, Options{
		Metrics: metrics, Connections: all,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				began <- true
				<-finish
			}
			fmt.Fprint(w, "answer")
		}),
	})
	address := strings.TrimPrefix(url, "http://")
	dial := func(text string) net.Conn {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprint(conn, text)
		return conn
	}
	idle := dial("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	readSome(t, idle)
	for all.Stats().Quiet == 0 { // the server knows a moment after the client that it was answered
		time.Sleep(time.Millisecond)
	}
	served := dial("GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	<-began
	half := dial("GET / HTTP/1.1\r\nHost:")
	for range 3 {
		if conn := dial("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); readSome(t, conn) == "" {
			t.Fatal("a new connection is not answered")
		}
	}
	for name, conn := range map[string]net.Conn{"idle": idle, "half a request": half} {
		if rest, _ := io.ReadAll(conn); len(rest) > 0 {
			t.Errorf("%s: got %q", name, rest)
		}
	}
	finish <- true
	if text, err := io.ReadAll(served); err != nil || !strings.HasSuffix(string(text), "answer") {
		t.Errorf("what was being answered got %q, %v", text, err)
	}
	want := `
# HELP postern_connections_closed_total Connections closed because of a limit: idle ones, those being served, or new ones.
# TYPE postern_connections_closed_total counter
postern_connections_closed_total{limit="address",listener="test",which="idle"} 3
postern_connections_closed_total{limit="address",listener="test",which="new"} 0
postern_connections_closed_total{limit="listener",listener="test",which="idle"} 0
postern_connections_closed_total{limit="listener",listener="test",which="new"} 0
postern_connections_closed_total{limit="listener",listener="test",which="served"} 0
# HELP postern_connections_limit How many connections may be open at a time.
# TYPE postern_connections_limit gauge
postern_connections_limit{listener="test"} 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "postern_connections_closed_total", "postern_connections_limit"); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "because a limit is reached"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// readSome reads what is there of an answer, "" at the end.
func readSome(t *testing.T, conn net.Conn) string {
	t.Helper()
	buf := make([]byte, 1000)
	n, err := conn.Read(buf)
	if err != nil && err != io.EOF {
		t.Error(err)
	}
	return string(buf[:n])
}
