package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// newHouseStory serves a house until the test ends and returns a story in it.
// changes are made to its configuration.
func newHouseStory(t testing.TB, changes ...func(*config.Config)) *story {
	t.Helper()
	cfg, err := demoConfig(demoDir(t))
	must(t, err)
	for _, change := range changes {
		change(cfg)
		must(t, cfg.Check())
	}
	return serveStory(t, cfg, time.Now)
}

// serveStory serves a house of cfg, in which it is now, and returns a story in it.
func serveStory(t testing.TB, cfg *config.Config, now func() time.Time) *story {
	t.Helper()
	h, err := open(t.Context(), cfg, newLog(config.Log{Level: "error"}, io.Discard), now)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- h.run(ctx, func() { close(ready) }) }()
	<-ready
	t.Cleanup(func() {
		stop()
		must(t, <-served)
		must(t, h.close())
	})
	s, err := newStory(ctx, h, demoOptions{data: cfg.Data, out: io.Discard, log: io.Discard})
	must(t, err)
	return s
}

// steps does some of the story's steps, in order.
func (s *story) steps(t testing.TB, do ...func(*story, context.Context) (string, error)) {
	t.Helper()
	for _, f := range do {
		_, err := f(s, t.Context())
		must(t, err)
	}
}

// TestARevokedCertificateIsRefusedEverywhere has connections of every kind with a
// certificate (TLS 1.2 and 1.3; open already, resumed and new; HTTP/1.1 and 2),
// and revokes it, or holds and releases it.
func TestARevokedCertificateIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	s := newHouseStory(t)
	s.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode, (*story).download, (*story).readPassword, (*story).openFile)
	roots := x509.NewCertPool()
	roots.AddCert(s.h.authority.Root())
	kinds := map[string]*caller{}
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for _, http2 := range []bool{false, true} {
			for _, fresh := range []bool{false, true} {
				kinds[fmt.Sprintf("%s, HTTP/2 %v, new connections %v", name, http2, fresh)] = newCaller(s, roots, version, http2, fresh)
			}
		}
	}
	each := func(when string, wantIn bool) {
		t.Helper()
		for name, c := range kinds {
			in, why := c.call(t.Context())
			if in != wantIn {
				t.Errorf("%s, %s: let in %v, want %v (%s)", when, name, in, wantIn, why)
			}
		}
	}
	each("before", true)
	each("before, again", true) // now they resume, or are open
	for name, c := range kinds {
		if strings.HasSuffix(name, "true") && !c.resumed {
			t.Errorf("%s: the second connection did not resume: the test would show nothing", name)
		}
	}
	var c struct{ Status string }
	verb := func(v, reason string) {
		t.Helper()
		must(t, s.api(t.Context(), http.MethodPost, "/certificates/"+string(s.serial)+"/"+v, map[string]string{"reason": reason}, &c))
	}
	must(t, s.api(t.Context(), http.MethodPost, "/certificates/"+string(s.serial)+"/hold", map[string]string{}, &c))
	each("held", false)
	must(t, s.api(t.Context(), http.MethodPost, "/certificates/"+string(s.serial)+"/release", map[string]string{}, &c))
	each("released", true)
	each("released, again", true)
	verb("revoke", "keyCompromise")
	each("revoked", false)
}

// caller is a client application of one kind.
type caller struct {
	s       *story
	client  *http.Client
	resumed bool // the last connection resumed a session
}

func newCaller(s *story, roots *x509.CertPool, version uint16, http2, fresh bool) *caller {
	c := &caller{s: s}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	c.client = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: fresh, Protocols: protocols,
		TLSClientConfig: &tls.Config{
			RootCAs: roots, Certificates: []tls.Certificate{s.identity}, MinVersion: version, MaxVersion: version,
			ClientSessionCache: tls.NewLRUClientSessionCache(4),
			VerifyConnection:   func(state tls.ConnectionState) error { c.resumed = state.DidResume; return nil },
		},
	}}
	return c
}

// call reports whether the caller was let in, and what it saw.
func (c *caller) call(ctx context.Context) (in bool, why string) {
	status, _, body, err := c.s.do(ctx, c.client, http.MethodGet, c.s.h.cfg.MTLS.URL+"/whoami", "", nil)
	if err != nil {
		return false, err.Error()
	}
	return status == http.StatusOK, firstLine(body)
}
