package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// bench is a house on loopback over plain HTTP, durably stored, whose notices the
// benchmark takes by hand.
type bench struct {
	*house
	b      *testing.B
	client *http.Client
	token  issuance.Secret
	staff  issuance.Actor
}

func newBench(b *testing.B, changes ...func(*config.Config)) *bench {
	b.Helper()
	collectLess()
	cfg := config.Defaults()
	cfg.Data = b.TempDir()
	cfg.CA.TrustDomain, cfg.CA.Organization, cfg.CA.Passphrase = "postern.example", "Bench", issuance.NewSecret([]byte("bench-passphrase"))
	cfg.Mail.Provider, cfg.SMS.Provider, cfg.Mail.From = "outbox", "outbox", "bench@postern.example"
	cfg.Public.PostsPerMinute, cfg.Public.PostsBurst = 1_000_000, 1_000_000
	must(b, loopback(cfg, []int{0, 0, 0, 0}))
	for _, change := range changes {
		change(cfg)
	}
	must(b, cfg.Check())
	must(b, initialize(cfg, time.Now))
	h, err := open(b.Context(), cfg, slog.New(slog.DiscardHandler), time.Now)
	must(b, err)
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, s := range h.listeners.all() {
		all.Go(func() { _ = s.Serve(ctx) })
	}
	all.Go(func() { _ = h.publisher.Run(ctx) })
	b.Cleanup(func() {
		stop()
		all.Wait()
		must(b, h.close())
	})
	t := &bench{house: h, b: b, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.token, err = h.keptToken(ctx)
	must(b, err)
	t.staff, err = h.staff.Authenticate(ctx, t.token)
	must(b, err)
	_, _, err = h.sampleParties(ctx, t.staff)
	must(b, err)
	return t
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// eachClients runs f for 1, 8 and 32 clients.
func eachClients(b *testing.B, f func(b *testing.B, clients int)) {
	for _, n := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) { f(b, n) })
	}
}

// load does op b.N times from clients at once and reports how long each took;
// it returns operations a second.
func load(b *testing.B, clients int, op func(i int) error) float64 {
	b.Helper()
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range clients {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
				t := time.Now()
				if err := op(i); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(t)
			}
		})
	}
	all.Wait()
	rate := float64(b.N) / time.Since(begin).Seconds()
	slices.Sort(took)
	b.ReportMetric(took[b.N/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(took[b.N*99/100].Seconds()*1000, "p99-ms")
	return rate
}

// product is load of the house's own work, with what it cost.
func (t *bench) product(b *testing.B, clients int, op func(i int) error) float64 {
	b.Helper()
	before, cpu := t.store.Stats(), processorTime()
	b.ReportAllocs()
	b.ResetTimer()
	rate := load(b, clients, op)
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(rate, "op/s")
	after := t.store.Stats()
	b.ReportMetric(float64(after.Fdatasyncs-before.Fdatasyncs)/n, "fdatasync/op")
	b.ReportMetric(float64(after.Writes-before.Writes)/n, "writes/op")
	b.ReportMetric((processorTime()-cpu).Seconds()*1e3/n, "cpu-ms/op")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapInuse)/1e6, "heap-MB")
	return rate
}

// processorTime is what this process has used, clients included.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inParallel does f n times, 32 at once, outside of what is measured.
func inParallel(b *testing.B, n int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// invitation is what the contact has in hand.
type invitation struct {
	link, session issuance.Secret
	code          string
}

// invited makes n orders whose mail and SMS were sent.
func (t *bench) invited(n int) []invitation {
	t.b.Helper()
	ctx := t.b.Context()
	index := make(map[issuance.OrderID]int, n)
	var mu sync.Mutex
	var contact issuance.ContactID
	must(t.b, t.registrar.Read(ctx, func(tx issuance.Reader) error {
		list, _, err := tx.Contacts(issuance.ContactQuery{Organization: "acme"})
		contact = list[0].ID
		return err
	}))
	inParallel(t.b, n, func(i int) error {
		o, err := t.registrar.Request(ctx, t.staff, issuance.OrderRequest{Service: "acme.payments", Contact: contact, Another: true})
		if err != nil {
			return err
		}
		mu.Lock()
		index[o.ID] = i
		mu.Unlock()
		_, err = t.registrar.Approve(ctx, t.staff, o.ID, "")
		return err
	})
	out := make([]invitation, n)
	for _, channel := range []issuance.Channel{issuance.Mail, issuance.SMS} {
		for {
			due, err := t.registrar.TakeNotices(ctx, channel, 500, time.Hour)
			must(t.b, err)
			if len(due) == 0 {
				break
			}
			inParallel(t.b, len(due), func(k int) error {
				d := due[k]
				if i, mine := index[d.Order.ID]; mine {
					if d.Notice.Kind == issuance.InvitationNotice {
						out[i].link = d.Secret
					} else {
						out[i].code = string(d.Secret.Reveal())
					}
				}
				return t.registrar.Settle(ctx, d.Notice.ID, issuance.Outcome{})
			})
		}
	}
	return out
}

// verified makes n orders whose code was entered.
func (t *bench) verified(n int) []invitation {
	t.b.Helper()
	out := t.invited(n)
	inParallel(t.b, n, func(i int) (err error) {
		out[i].session, err = t.registrar.Verify(t.b.Context(), out[i].link, out[i].code)
		return err
	})
	return out
}

// post sends a form as the browser of in does, and reads the whole answer.
func (t *bench) post(path string, in invitation, form url.Values, want int) error {
	r, err := http.NewRequest(http.MethodPost, t.cfg.Public.URL+path, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(&http.Cookie{Name: "__Host-postern-link", Value: string(in.link.Reveal())})
	if !in.session.Empty() {
		r.AddCookie(&http.Cookie{Name: "__Host-postern-session", Value: string(issuance.DigestOf(in.link)[:16]) + "." + string(in.session.Reveal())})
	}
	return t.send(r, want)
}

func (t *bench) send(r *http.Request, want int) error {
	a, err := t.client.Transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if a.StatusCode != want {
		return errors.Join(err, fmt.Errorf("%s was answered with %d: %.200s", r.URL.Path, a.StatusCode, body))
	}
	return err
}

// bare is the same work without the product: an HTTP handler on a listener of its own.
func bare(b *testing.B, h http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }()
	b.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}

func BenchmarkCodes(b *testing.B) {
	eachClients(b, func(b *testing.B, clients int) {
		t := newBench(b)
		all := t.invited(b.N)
		t.product(b, clients, func(i int) error {
			return t.post("/claim/verify", all[i], url.Values{"code": {all[i].code}}, http.StatusSeeOther)
		})
	})
}

func BenchmarkClaims(b *testing.B) {
	for _, key := range []issuance.KeyAlgorithm{issuance.P256, issuance.RSA2048} {
		b.Run(string(key), func(b *testing.B) {
			eachClients(b, func(b *testing.B, clients int) {
				t := newBench(b)
				all := t.verified(b.N)
				cpu := processorTime()
				t.product(b, clients, func(i int) error {
					return t.post("/claim/download", all[i], url.Values{"key": {string(key)}, "target": {"modern"}}, http.StatusOK)
				})
				whole := processorTime() - cpu
				cpu = processorTime()
				for range b.N {
					t.parts(key)
				}
				b.ReportMetric(whole.Seconds()/(processorTime()-cpu).Seconds(), "×parts-cpu")
			})
		})
	}
}

// parts is what a claim cannot do without: a key, a certificate, a file.
func (t *bench) parts(algorithm issuance.KeyAlgorithm) {
	key, err := ca.NewKey(algorithm)
	must(t.b, err)
	now := time.Now()
	signed, err := t.authority.Sign(t.b.Context(), issuance.Profile{
		Serial: issuance.NewSerial(), Organization: "acme", OrganizationName: "Acme", Service: "payments", ServiceName: "payments",
		Key: key.Public(), NotBefore: now, NotAfter: now.AddDate(2, 0, 0),
	})
	must(t.b, err)
	chain, err := t.authority.Chain(signed.Issuer)
	must(t.b, err)
	_, err = delivery.Pack(issuance.Bundle{Key: key, Certificate: signed.DER, Chain: chain, FriendlyName: "acme.payments", Password: delivery.NewPassword(), Target: issuance.Modern})
	must(t.b, err)
}

func BenchmarkCSRs(b *testing.B) {
	eachClients(b, func(b *testing.B, clients int) {
		t := newBench(b)
		reference := bareSigner(b, t)
		csrs := requests(b)
		other := load(b, clients, func(i int) error {
			r, err := http.NewRequest(http.MethodPost, reference, bytes.NewReader(csrs[i]))
			if err != nil {
				return err
			}
			return t.send(r, http.StatusOK)
		})
		all := t.verified(b.N)
		rate := t.product(b, clients, func(i int) error {
			return t.post("/claim/download", all[i], url.Values{"csr": {string(csrs[i])}}, http.StatusOK)
		})
		b.ReportMetric(rate/other, "×bare")
	})
}

// requests makes b.N requests, each with a key of its own.
func requests(b *testing.B) [][]byte {
	b.Helper()
	out := make([][]byte, b.N)
	for i := range out {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(b, err)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}, key)
		must(b, err)
		out[i] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	return out
}

// bareSigner serves the bare program: x509.CreateCertificate and bbolt's Batch.
func bareSigner(b *testing.B, t *bench) string {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	must(b, err)
	b.Cleanup(func() { _ = db.Close() })
	must(b, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("c")); return err }))
	issuer, raw := t.authority.Issuers()[0], issuingKey(b, t.cfg)
	return bare(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		block, _ := pem.Decode(data)
		req, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil || req.CheckSignature() != nil {
			panic(err)
		}
		now := time.Now()
		serial := issuance.NewSerial().Int()
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: serial, Subject: pkix.Name{CommonName: "payments", Organization: []string{"Acme"}},
			NotBefore: now, NotAfter: now.AddDate(2, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			URIs:        []*url.URL{{Scheme: "spiffe", Host: "postern.example", Path: "/org/acme/service/payments"}},
		}, issuer.Certificate, req.PublicKey, raw)
		if err != nil {
			panic(err)
		}
		if err := db.Batch(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("c")).Put(serial.Bytes(), der) }); err != nil {
			panic(err)
		}
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}))
}

// certificates puts n active or revoked certificates into the store, unsigned:
// only their records matter. They go in by their serial numbers, so that the file
// is as if they had come one by one, and come back in no order.
func (t *bench) certificates(n int, status issuance.Status) []issuance.Serial {
	t.b.Helper()
	serials := make([]issuance.Serial, n)
	for i := range serials {
		serials[i] = issuance.NewSerial()
	}
	slices.Sort(serials)
	issuer, notAfter := t.authority.Issuer()
	now := time.Now().UTC()
	var contact issuance.ContactID
	var order issuance.Order
	must(t.b, t.registrar.Read(t.b.Context(), func(tx issuance.Reader) error {
		list, _, err := tx.Contacts(issuance.ContactQuery{Organization: "acme"})
		contact = list[0].ID
		return err
	}))
	order, err := t.registrar.Request(t.b.Context(), t.staff, issuance.OrderRequest{Service: "acme.payments", Contact: contact, Another: true})
	must(t.b, err)
	const batch = 2000
	for from := 0; from < n; from += batch {
		must(t.b, t.store.Update(t.b.Context(), func(tx issuance.Tx) error {
			for i := from; i < min(from+batch, n); i++ {
				c := issuance.Certificate{
					Serial: serials[i], Status: status, Organization: "acme", Service: "acme.payments", Contact: contact, Order: order.ID,
					Issuer: issuer, IssuedAt: now, NotBefore: now, NotAfter: notAfter, Key: issuance.P256,
				}
				if status == issuance.Revoked {
					c.Reason, c.ChangedAt = issuance.KeyCompromise, now
					if err := tx.AppendRevocation(issuance.Revocation{Serial: c.Serial, Issuer: issuer, Status: status, Reason: c.Reason, At: now, NotAfter: notAfter}); err != nil {
						return err
					}
				}
				if err := tx.PutCertificate(c); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	mathrand.Shuffle(n, func(i, k int) { serials[i], serials[k] = serials[k], serials[i] })
	return serials
}

// BenchmarkRevocations has staff revoke where so many are revoked already, with
// the full CRL alone, and with 64 shards and a delta beside it. A house with as
// many certificates of which none is revoked tells what the CRL has to do with it.
func BenchmarkRevocations(b *testing.B) {
	for _, of := range []struct{ already, active, shards int }{
		{0, 0, 0}, {10_000, 0, 0}, {100_000, 0, 0}, {0, 100_000, 0}, {100_000, 0, 64},
	} {
		b.Run(fmt.Sprintf("already=%d/active=%d/shards=%d", of.already, of.active, of.shards), func(b *testing.B) {
			eachClients(b, func(b *testing.B, clients int) {
				t := newBench(b, func(cfg *config.Config) { cfg.CA.CRLShards, cfg.CA.CRLDelta = of.shards, of.shards > 0 })
				t.certificates(of.already, issuance.Revoked)
				t.certificates(of.active, issuance.Active)
				all := t.certificates(b.N, issuance.Active)
				t.published(of.already)
				oldest, stop := t.watchAge()
				t.product(b, clients, func(i int) error {
					return t.call(http.MethodPost, "/certificates/"+string(all[i])+"/revoke", map[string]string{"reason": "superseded"}, http.StatusOK)
				})
				stop()
				b.ReportMetric(oldest().Seconds(), "oldest-CRL-s")
				runtime.GC()
				var memory runtime.MemStats
				runtime.ReadMemStats(&memory)
				b.ReportMetric(float64(memory.HeapAlloc)/1e6, "alive-MB")
			})
		})
	}
}

// published waits until so many revocations are in the CRL, and their making has
// left nothing behind to clear up.
func (t *bench) published(entries int) {
	t.b.Helper()
	issuer, _ := t.authority.Issuer()
	for {
		crl, err := t.publisher.CRL(issuer)
		must(t.b, err)
		if crl.Entries == entries && t.publisher.Age() < time.Second {
			break
		}
		t.publisher.Wake()
		time.Sleep(10 * time.Millisecond)
	}
	runtime.GC()
}

// watchAge looks, until it is stopped, how far the CRLs are behind the store.
func (t *bench) watchAge() (oldest func() time.Duration, stop func()) {
	var most atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		for ctx.Err() == nil {
			most.Store(max(most.Load(), int64(t.publisher.Age())))
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() time.Duration { return time.Duration(most.Load()) }, stop
}

func (t *bench) call(method, path string, body any, want int) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(method, t.cfg.Admin.URL+"/api/v1"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+string(t.token.Reveal()))
	return t.send(r, want)
}

func BenchmarkOCSP(b *testing.B) {
	eachClients(b, func(b *testing.B, clients int) {
		t := newBench(b)
		all := t.certificates(1000, issuance.Active)
		issuer := t.authority.Issuers()[0].Certificate
		empty := bare(b, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		paths := make([]string, len(all))
		for i, s := range all {
			der, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: s.Int()}, issuer, nil)
			must(b, err)
			paths[i] = "/ocsp/" + url.PathEscape(base64.StdEncoding.EncodeToString(der))
		}
		get := func(address string) error {
			r, err := http.NewRequest(http.MethodGet, address, nil)
			if err != nil {
				return err
			}
			return t.send(r, http.StatusOK)
		}
		for _, p := range paths {
			must(b, get(t.cfg.Plain.URL+p))
		}
		other := load(b, clients, func(i int) error { return get(empty + paths[i%len(paths)]) })
		rate := t.product(b, clients, func(i int) error { return get(t.cfg.Plain.URL + paths[i%len(paths)]) })
		b.ReportMetric(rate/other, "×empty")
	})
}

// BenchmarkStart starts the stripped program on data that is there, until it
// answers, and looks at what it holds when nothing happens.
func BenchmarkStart(b *testing.B) {
	program := filepath.Join(b.TempDir(), "postern")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building: %v: %s", err, out)
	}
	info, err := os.Stat(program)
	must(b, err)
	dir := b.TempDir()
	must(b, writeQuickstartConfig(dir, filepath.Join(dir, config.DefaultFile), make([]int, 4)))
	cfg, err := config.Load(config.Options{Path: filepath.Join(dir, config.DefaultFile)})
	must(b, err)
	must(b, initialize(cfg, time.Now))
	var took, resident []float64
	for range 5 {
		server := exec.Command(program, "serve", "--config", filepath.Join(dir, config.DefaultFile))
		begin := time.Now()
		must(b, server.Start())
		for {
			answer, err := http.Get(cfg.Public.URL + "/healthz")
			if err == nil {
				answer.Body.Close()
				break
			}
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(begin).Seconds())
		time.Sleep(3 * time.Second) // idle
		resident = append(resident, residentMB(b, server.Process.Pid))
		must(b, server.Process.Signal(os.Interrupt))
		must(b, server.Wait())
	}
	slices.Sort(took)
	slices.Sort(resident)
	b.ReportMetric(took[2], "start-s")
	b.ReportMetric(resident[2], "idle-MB")
	b.ReportMetric(float64(info.Size())/1e6, "binary-MB")
	b.ReportMetric(0, "ns/op")
}

// residentMB is VmRSS of a process, in millions of bytes.
func residentMB(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(b, err)
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	var kB float64
	if _, err := fmt.Sscan(after, &kB); err != nil {
		b.Fatal(err)
	}
	return kB * 1024 / 1e6
}
