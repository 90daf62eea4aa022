package mtls

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkRequest is what the check adds to a request, beside the empty handler.
func BenchmarkRequest(b *testing.B) {
	f := newForger(b)
	empty := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, revoked := range map[string]int{"bare": -1, "0 revoked": 0, "100000 revoked": 100_000} {
		b.Run(name, func(b *testing.B) {
			handler := http.Handler(empty)
			if revoked >= 0 {
				crls := &CRLs{CAs: f.cas, Now: testStart}
				if err := crls.take(f.bundle(1, manySerials(b, revoked)...)); err != nil {
					b.Fatal(err)
				}
				handler = (&Verifier{CAs: f.cas, Revocation: crls, Now: testStart}).Handler(empty)
			}
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{f.parsed(nil)}}
			recorder := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(recorder, request)
			}
			if recorder.Code != http.StatusOK {
				b.Fatal(recorder.Code)
			}
		})
	}
}

// BenchmarkFirstCheck is that of a certificate that was not seen before.
func BenchmarkFirstCheck(b *testing.B) {
	f := newForger(b)
	cert := f.parsed(nil)
	for b.Loop() {
		if _, err := f.cas.first(cert, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandshake is a full TLS 1.3 handshake over loopback, both ends in this
// process: with our check, with the check of crypto/tls, and with none.
func BenchmarkHandshake(b *testing.B) {
	f := newForger(b)
	server := f.server()
	pool := x509.NewCertPool()
	pool.AddCert(f.issuing.cert)
	bare := &tls.Config{Certificates: []tls.Certificate{server}, Time: testStart, ClientAuth: tls.RequireAnyClientCert}
	library := bare.Clone()
	library.ClientAuth, library.ClientCAs = tls.RequireAndVerifyClientCert, pool
	crls := &CRLs{CAs: f.cas, Now: testStart}
	if err := crls.take(f.bundle(1, manySerials(b, 100_000)...)); err != nil {
		b.Fatal(err)
	}
	for name, config := range map[string]*tls.Config{
		"bare": bare, "crypto/tls": library,
		"mtls, 100000 revoked": (&Verifier{CAs: f.cas, Revocation: crls, Now: testStart}).TLSConfig(bare),
	} {
		b.Run(name, func(b *testing.B) {
			config.SessionTicketsDisabled = true
			client := tls.Certificate{Certificate: [][]byte{f.cert(nil)}, PrivateKey: f.key}
			for b.Loop() {
				shake(b, f, config, client)
			}
		})
	}
}

func shake(b *testing.B, f *forger, config *tls.Config, client tls.Certificate) {
	here, there := f.connected()
	done := make(chan error, 1)
	go func() {
		conn := tls.Client(there, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{client}, Time: testStart})
		_, err := io.ReadFull(conn, make([]byte, 1))
		done <- err
	}()
	conn := tls.Server(here, config)
	if _, err := conn.Write([]byte{1}); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	for _, c := range []net.Conn{here, there} {
		_ = c.Close()
	}
}

// BenchmarkBundle is what a new bundle costs: parsed, verified and taken.
func BenchmarkBundle(b *testing.B) {
	f := newForger(b)
	for name, revoked := range map[string]int{"1000 revoked": 1000, "100000 revoked": 100_000} {
		b.Run(name, func(b *testing.B) {
			data := f.bundle(1, manySerials(b, revoked)...)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := f.cas.readBundle(data, nil, testStart()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOCSP is a check whose answer is kept.
func BenchmarkOCSP(b *testing.B) {
	f := newForger(b)
	chain, err := f.cas.Verify([]*x509.Certificate{f.parsed(nil)}, testStart())
	if err != nil {
		b.Fatal(err)
	}
	source := &OCSP{URL: newResponder(f).URL, Now: testStart}
	for b.Loop() {
		if err := source.Status(context.Background(), chain); err != nil {
			b.Fatal(err)
		}
	}
}

func manySerials(b *testing.B, n int) []*big.Int {
	out := make([]*big.Int, n)
	raw := make([]byte, 16)
	for i := range out {
		_, _ = rand.Read(raw) // never fails
		raw[0] |= 0x40
		out[i] = new(big.Int).SetBytes(raw)
	}
	return out
}
