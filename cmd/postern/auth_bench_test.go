package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/auth"
)

// clientHeaders makes n certificates, and returns them as nginx sends them.
func (t *bench) clientHeaders(n int) []string {
	t.b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t.b, err)
	is, raw := t.authority.Issuers()[0], issuingKey(t.b, t.cfg)
	out := make([]string, n)
	ders := make(map[issuance.Serial][]byte, n)
	for i, serial := range t.certificates(n, issuance.Active) {
		template := &x509.Certificate{
			SerialNumber: serial.Int(), Subject: pkix.Name{CommonName: "payments", Organization: []string{"Acme Trading Ltd"}}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(2, 0, 0), BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			URIs: []*url.URL{{Scheme: "spiffe", Host: "postern.example", Path: "/org/acme/service/payments"}},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, is.Certificate, key.Public(), raw)
		must(t.b, err)
		ders[serial] = der
		out[i] = strings.ReplaceAll(url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))), "+", "%20")
	}
	must(t.b, t.store.Update(t.b.Context(), func(tx issuance.Tx) error {
		for serial, der := range ders {
			c, err := tx.Certificate(serial)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(der)
			c.DER, c.Fingerprint = der, hex.EncodeToString(sum[:])
			if err := tx.PutCertificate(c); err != nil {
				return err
			}
		}
		return nil
	}))
	return out
}

// withNginx configures a proxy that asks over plain HTTP on loopback.
func withNginx(c *config.Config) {
	withProxies(c)
	c.Auth.URL = "http://127.0.0.1"
	c.Auth.Callers = c.Auth.Callers[:1]
	c.Auth.Callers[0].Format = "nginx"
}

// BenchmarkAuth asks as nginx does, for 1,000 certificates in turn; the empty
// handler is asked the same.
func BenchmarkAuth(b *testing.B) {
	eachClients(b, func(b *testing.B, clients int) {
		t := newBench(b, withNginx)
		all := t.clientHeaders(1000)
		empty := bare(b, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		ask := func(address string, i int) error {
			r, err := http.NewRequest(http.MethodGet, address+auth.Path+"?upstream=payments", nil)
			if err != nil {
				return err
			}
			r.Header["Postern-Proxy-Secret"] = []string{proxySecret}
			r.Header["X-Ssl-Client-Cert"] = []string{all[i%len(all)]}
			return t.send(r, http.StatusOK)
		}
		ours := "http://" + t.listeners.auth.Addr().String()
		for i := range all {
			must(b, ask(ours, i))
		}
		other := load(b, clients, func(i int) error { return ask(empty, i) })
		rate := t.product(b, clients, func(i int) error { return ask(ours, i) })
		b.ReportMetric(rate/other, "×empty")
	})
}
