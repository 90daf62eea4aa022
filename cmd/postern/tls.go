package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/ca/mtls"
	"github.com/postern-ca/postern/issuance"
)

// serverValidity is that of the server certificates our own CA makes; they live
// in memory and are renewed at two thirds of it.
const serverValidity = 30 * 24 * time.Hour

// serverTLS returns the TLS side of a listener with the certificate in the files
// cert and key, or one of our own CA for the host of address if there are none.
func (h *house) serverTLS(cert, key, address string) (*tls.Config, error) {
	base := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: mtls.CipherSuites(), NextProtos: protocols()}
	if cert != "" {
		f := &certificateFiles{cert: cert, key: key, log: h.log, now: h.now}
		if _, err := f.get(nil); err != nil {
			return nil, err
		}
		base.GetCertificate = f.get
		h.shown.files, h.shown.get = append(h.shown.files, f), append(h.shown.get, f.get)
		return base, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("reading the address of a listener: %w", err)
	}
	keys := &ca.ServerKeys{Authority: h.authority, Log: h.log, Profile: ca.ServerProfile{Validity: serverValidity}}
	keys.Signed = func(c *x509.Certificate) error { return h.recordSigned(issuance.SignVerb, "server "+u.Host, c) }
	if ip := net.ParseIP(u.Hostname()); ip != nil {
		keys.Profile.IPs = []net.IP{ip}
	} else {
		keys.Profile.Names = []string{u.Hostname()}
	}
	if u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback() {
		keys.Profile.Names = []string{"localhost"}
		keys.Profile.IPs = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	// Made now and not at the first handshake: on a full disk it could not be recorded.
	if _, err := keys.GetCertificate(nil); err != nil {
		return nil, err
	}
	base.GetCertificate = keys.GetCertificate
	h.shown.get = append(h.shown.get, keys.GetCertificate)
	return base, nil
}

// protocols are those of ALPN, the best first. crypto/tls ends the handshake of a
// client that asks for others alone, and some ask for HTTP/1.0: curl --http1.0,
// checks of load balancers. A listener without HTTP/2 drops that from the list.
func protocols() []string { return []string{"h2", "http/1.1", "http/1.0"} }

// filesEvery is how often the files of a certificate are looked at.
const filesEvery = 10 * time.Second

// certificateFiles is a server certificate that somebody else renews: when the
// files change, the new ones are used without a restart.
type certificateFiles struct {
	cert, key string
	log       *slog.Logger
	now       func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	changed time.Time // modification time of the files that current is made of
	looked  time.Time
}

// get is for tls.Config. Files that cannot be read, or do not belong together
// (as in the moment between two renames), leave the certificate as it was.
func (f *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if f.current != nil && now.Sub(f.looked).Abs() < filesEvery {
		return f.current, nil
	}
	f.looked = now
	changed, err := newest(f.cert, f.key)
	if err == nil && f.current != nil && changed.Equal(f.changed) {
		return f.current, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(f.cert, f.key); err == nil {
			f.current, f.changed = &pair, changed
			return f.current, nil
		}
	}
	if f.current == nil {
		return nil, fmt.Errorf("reading the server certificate %s: %w", f.cert, err)
	}
	f.log.Error("reading a server certificate again", "file", f.cert, "error", err)
	return f.current, nil
}

// forget has the next call of get read the files, whatever their times say.
func (f *certificateFiles) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked, f.changed = time.Time{}, time.Time{}
}

func newest(paths ...string) (t time.Time, err error) {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return t, err
		}
		if info.ModTime().After(t) {
			t = info.ModTime()
		}
	}
	return t, nil
}

// clients returns the check of client certificates, and the TLS side of the
// listener with two-way TLS, which makes it at each handshake with a certificate.
// A client that enrols over EST has none yet: handlers demand it where they need it.
func (h *house) clients() (*ca.Clients, *tls.Config, error) {
	base, err := h.serverTLS(h.cfg.MTLS.TLS.Cert, h.cfg.MTLS.TLS.Key, h.cfg.MTLS.URL)
	if err != nil {
		return nil, nil, err
	}
	// EST clients exist (strongSwan) that read an answer in at most two pieces, and
	// take each record for one.
	base.DynamicRecordSizingDisabled = true
	c := &ca.Clients{
		Authority: h.authority, Certificate: h.standing.Certificate, Service: h.standing.Service, Refused: h.seen.See,
		Now: h.now, Wall: h.clock.Wall,
	}
	return c, c.OptionalTLSConfig(base), nil
}
