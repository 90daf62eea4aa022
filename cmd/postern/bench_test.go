package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

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
