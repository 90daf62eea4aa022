package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// House is what the examples need around them: a Postern that serves CRLs and
// OCSP, and a client with a certificate of it.
type House struct {
	ChainFile string // what /pki/chain.pem serves
	BundleURL string // what /pki/crl-bundle.pem is at
	OCSPURL   string
	ServerTLS *tls.Config // the web service's own certificate
	Now       func() time.Time

	f    *forger
	feed *feed
	tb   *exampleTB
	cert *x509.Certificate
}

// exampleTB stands for the test that an example is not.
type exampleTB struct {
	testing.TB
	cleanups []func()
}

func (*exampleTB) Helper()            {}
func (*exampleTB) Fatal(args ...any)  { panic(fmt.Sprint(args...)) }
func (e *exampleTB) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

// OpenHouse starts one; the caller calls Close.
func OpenHouse() *House {
	tb := &exampleTB{}
	f := newForger(tb)
	h := &House{f: f, tb: tb, Now: testStart, cert: f.parsed(nil), feed: newFeed(tb, f.bundle(1)), OCSPURL: newResponder(f).URL}
	h.BundleURL = h.feed.URL
	h.ServerTLS = &tls.Config{Certificates: []tls.Certificate{f.server()}}
	dir, err := os.MkdirTemp("", "house")
	if err != nil {
		panic(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	h.ChainFile = filepath.Join(dir, "chain.pem")
	var chain []byte
	for _, ca := range []testCA{f.issuing, f.root} {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})...)
	}
	if err := os.WriteFile(h.ChainFile, chain, 0o600); err != nil {
		panic(err)
	}
	return h
}

// Close ends it.
func (h *House) Close() {
	for _, f := range h.tb.cleanups {
		f()
	}
}

// Client returns a client with a certificate of payments-prod at acme.
func (h *House) Client() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(h.f.root.cert)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, Time: testStart, Certificates: []tls.Certificate{{Certificate: [][]byte{h.cert.Raw}, PrivateKey: h.f.key}},
	}}}
}

// Revoke revokes the client's certificate, and returns when who follows the CRLs
// has taken the new one: it asks for the next.
func (h *House) Revoke() {
	waits := h.feed.waited.Load()
	for ; waits == 0; waits = h.feed.waited.Load() {
		time.Sleep(time.Millisecond)
	}
	h.feed.publish(h.f.bundle(2, h.cert.SerialNumber))
	for h.feed.waited.Load() == waits {
		time.Sleep(time.Millisecond)
	}
}

// Print prints what url answers to client.
func Print(client *http.Client, url string) {
	response, err := client.Get(url)
	if err != nil {
		fmt.Println("refused in the handshake")
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(response.StatusCode, strings.TrimSpace(string(body)))
}
