package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

// BenchmarkWaysOfChecking tells what each way of checking client certificates
// costs nginx and HAProxy, with more and more certificates revoked: handshakes a
// second of one processor, requests on a connection that is open, memory, how long
// a reload takes, and how long a revoked certificate is let in. What Postern spends
// on /auth is not in it; BenchmarkAuth has that.
func BenchmarkWaysOfChecking(b *testing.B) {
	for _, revoked := range []int{0, 1_000, 10_000, 100_000} {
		for _, way := range waysOfChecking() {
			b.Run(fmt.Sprintf("%s/revoked=%d", way.name, revoked), func(b *testing.B) {
				var changes []func(*config.Config)
				if way.block == "auth" {
					changes = append(changes, asPageSays(b, way.page))
				}
				f := newFrontier(b, changes...)
				f.revokeMany(b, revoked)
				f.measure(b, way)
			})
		}
	}
}

// wayOfChecking is a server, and what is changed in a configuration of its page.
type wayOfChecking struct {
	name, page, block string
	replace           func(*frontier) map[string]string
	start             func(f *frontier, config string) (reload string)
	change            func(f *frontier, config string) string
	changes           bool // change must find what it changes
	greets            bool // it is the application, too, and fetches the CRL itself
}

func waysOfChecking() []wayOfChecking {
	nginx := wayOfChecking{page: "nginx.md", block: "crl", replace: (*frontier).nginxPaths, start: (*frontier).nginx}
	haproxy := wayOfChecking{page: "haproxy.md", block: "crl", replace: (*frontier).haproxyPaths, start: (*frontier).haproxy}
	with := func(w wayOfChecking, name string, change func(*frontier, string) string) wayOfChecking {
		w.name, w.change, w.changes = name, change, !strings.HasSuffix(name, "crl") && !strings.HasSuffix(name, "auth")
		return w
	}
	same := func(_ *frontier, config string) string { return config }
	asks := with(nginx, "nginx/auth", same)
	asks.block, asks.replace = "auth", (*frontier).nginxAuthPaths
	asksHAProxy := with(haproxy, "haproxy/auth", same)
	asksHAProxy.block, asksHAProxy.replace = "auth", (*frontier).haproxyAuthPaths
	return []wayOfChecking{
		with(nginx, "nginx/nothing", func(f *frontier, config string) string {
			return strings.Replace(config, "ssl_crl                "+f.path("crl-bundle.pem")+";", "", 1)
		}),
		with(nginx, "nginx/crl", same),
		with(nginx, "nginx/ocsp", func(f *frontier, config string) string {
			return strings.Replace(config, "ssl_crl                "+f.path("crl-bundle.pem")+";",
				"ssl_ocsp leaf; ssl_ocsp_cache shared:ocsp:10m; ssl_ocsp_responder "+strings.Replace(f.h.cfg.Plain.URL, "localhost", "127.0.0.1", 1)+"/ocsp;", 1)
		}),
		asks,
		with(haproxy, "haproxy/nothing", func(f *frontier, config string) string {
			return strings.Replace(config, " crl-file "+f.path("crl-bundle.pem"), "", 1)
		}),
		with(haproxy, "haproxy/crl", same),
		asksHAProxy,
		{name: "go/crl", page: "go.md", block: "crl", replace: (*frontier).goPaths, start: (*frontier).goServer, change: same, greets: true},
	}
}

// revokeMany puts n revoked certificates into the register, and the file of CRLs up to date.
func (f *frontier) revokeMany(b *testing.B, n int) {
	b.Helper()
	t := &bench{house: f.h, b: b, token: f.token}
	var err error
	t.staff, err = f.h.staff.Authenticate(b.Context(), f.token)
	must(b, err)
	t.certificates(n, issuance.Revoked)
	f.h.publisher.Wake()
	f.await("every revocation is in the CRL", func() bool {
		bundle, listed := f.get("/pki/crl-bundle.pem"), 0
		f.keep("crl-bundle.pem", bundle)
		for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
			list, err := x509.ParseRevocationList(block.Bytes)
			must(b, err)
			listed += len(list.RevokedCertificateEntries)
		}
		return listed == n
	})
}

func (f *frontier) measure(b *testing.B, way wayOfChecking) {
	b.Helper()
	config := f.page(way.page, way.block, way.replace(f))
	changed := way.change(f, config)
	if changed == config && way.changes {
		b.Fatalf("%s: the page's configuration has no line about the CRL", way.name)
	}
	if way.greets {
		f.greeting = "hello, " + samplePayments
	}
	reload := way.start(f, changed)
	server := f.last
	one := f.visitor(&f.identity, tls.VersionTLS13, true)
	one.client.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = nil // each handshake is a full one
	if in, why := one.call(b.Context(), nil); !in {
		b.Fatal(why)
	}
	per := func(v *visit, n int) (ms float64) {
		before := server.processorTime(b)
		for range n {
			if in, why := v.call(b.Context(), nil); !in {
				b.Fatal(why)
			}
		}
		return (server.processorTime(b) - before).Seconds() * 1000 / float64(n)
	}
	b.ResetTimer()
	handshake := per(one, b.N)
	request := per(f.visitor(&f.identity, tls.VersionTLS13, false), 4*b.N)
	b.StopTimer()
	b.ReportMetric(1000/handshake, "handshakes/core-s")
	b.ReportMetric(handshake, "cpu-ms/handshake")
	b.ReportMetric(request, "cpu-ms/request")
	b.ReportMetric(server.residentMB(b), "MB")
	b.ReportMetric(0, "ns/op")
	if strings.HasSuffix(way.name, "nothing") {
		return
	}
	if !way.greets {
		begin := time.Now()
		f.run("sh", "-c", reload)
		f.await("the reload", func() bool { in, _ := one.call(b.Context(), nil); return in })
		b.ReportMetric(time.Since(begin).Seconds(), "reload-s")
	}
	switch {
	case strings.HasSuffix(way.name, "ocsp"):
		return // the lifetime of an answer, ca.ocsp_lifetime
	case strings.HasSuffix(way.name, "crl") && !way.greets:
		f.follow(reload)
		time.Sleep(2 * time.Second) // its first round
	}
	f.status("revoke", "keyCompromise")
	b.ReportMetric(f.await("the refusal", func() bool { in, _ := one.call(b.Context(), nil); return !in }).Seconds(), "refused-after-s")
}

// group returns the processes that p is or started.
func (p *program) group(b *testing.B) (pids []int) {
	b.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	must(b, err)
	for _, name := range all {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if fields[2] == strconv.Itoa(p.cmd.Process.Pid) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			must(b, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// processorTime is what the threads of p and its workers have used, to the nanosecond.
func (p *program) processorTime(b *testing.B) (d time.Duration) {
	b.Helper()
	for _, pid := range p.group(b) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		must(b, err)
		for _, name := range threads {
			stat, err := os.ReadFile(name)
			must(b, err)
			ns, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
			must(b, err)
			d += time.Duration(ns)
		}
	}
	return d
}

func (p *program) residentMB(b *testing.B) (all float64) {
	b.Helper()
	for _, pid := range p.group(b) {
		all += residentMB(b, pid)
	}
	return all
}
