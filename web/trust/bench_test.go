package trust

import (
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-ca/postern/web/server"
)

// BenchmarkOCSP compares OCSP answers by GET, from the cache, with an empty
// handler on the same listener, over loopback TCP.
func BenchmarkOCSP(b *testing.B) {
	h, _ := open(b, func(o *Options) {
		answer := Answer{DER: make([]byte, 900), Cacheable: true, ThisUpdate: noon(), NextUpdate: noon().AddDate(0, 0, 1), ETag: `"0123456789abcdef0123456789abcdef"`}
		o.OCSP = func(context.Context, []byte) Answer { return answer }
	})
	path := "/ocsp/" + base64.StdEncoding.EncodeToString(make([]byte, 84))
	b.Run("empty", func(b *testing.B) { load(b, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), path) })
	b.Run("answer", func(b *testing.B) { load(b, h, path) })
}

// load asks for path from 32 clients at a time.
func load(b *testing.B, h http.Handler, path string) {
	metrics, err := server.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	s, err := server.New(server.Options{Name: "plain", Addr: "127.0.0.1:0", Handler: h, Metrics: metrics, Log: slog.New(slog.NewJSONHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	go func() { _ = s.Serve(ctx) }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}}
	defer client.CloseIdleConnections()
	target := "http://" + s.Addr().String() + path
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			answer, err := client.Get(target)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	})
}

// BenchmarkOCSPHandler is the handler alone.
func BenchmarkOCSPHandler(b *testing.B) {
	h, _ := open(b, func(o *Options) {
		answer := Answer{DER: make([]byte, 900), Cacheable: true, ThisUpdate: noon(), NextUpdate: noon().AddDate(0, 0, 1), ETag: `"0123456789abcdef0123456789abcdef"`}
		o.OCSP = func(context.Context, []byte) Answer { return answer }
	})
	r, err := http.NewRequest(http.MethodGet, "/ocsp/"+base64.StdEncoding.EncodeToString(make([]byte, 84)), nil)
	if err != nil {
		b.Fatal(err)
	}
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
