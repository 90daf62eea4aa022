package mtls

import (
	"context"
	_ "crypto/sha1" // to sign with SHA-1
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// forgery is what a client presents. It is refused with the code, or, where the
// standard library does not even read it, with the library's words.
type forgery struct {
	chain   [][]byte
	code    Code
	library string
}

// TestForgedCertificatesAreRefused presents each forgery in a real handshake, and
// to the check of a request where it can be read. All but one thing about each is right.
func TestForgedCertificatesAreRefused(t *testing.T) {
	f := newForger(t)
	server := f.server()
	verifier := &Verifier{CAs: f.cas, Revocation: stands{}, Now: testStart}
	if err := f.handshake(verifier, server, [][]byte{f.cert(nil)}); err != nil {
		t.Fatalf("a certificate as it should be is refused: %v", err)
	}
	for _, named := range []string{"my page", "Größen & Co.", "我的页面", "p\u0430yments-prod", strings.Repeat("ä", 64)} {
		cert := f.cert(func(p *parts) {
			p.subject = name(pkix.Name{Organization: []string{"Acme Pharma SA"}, CommonName: named})
		})
		if err := f.handshake(verifier, server, [][]byte{cert}); err != nil {
			t.Errorf("a service that is called %q is refused: %v", named, err)
		}
	}
	all := map[string]forgery{}
	for _, rows := range []map[string]forgery{f.chains(), f.signatures(), f.forms(), f.caParts(), f.usages(), f.keys(), f.names()} {
		for name, row := range rows {
			if _, twice := all[name]; twice {
				t.Errorf("there are two forgeries %q", name)
			}
			all[name] = row
		}
	}
	if len(all) < 100 {
		t.Errorf("there are %d forgeries, want at least 100", len(all))
	}
	t.Logf("%d forgeries", len(all))
	for name, row := range all {
		t.Run(name, func(t *testing.T) {
			if err := f.handshake(verifier, server, row.chain); !f.refusedByTLS(row, err) {
				f.expect(t, row, err)
			}
			var presented []*x509.Certificate
			for _, der := range row.chain {
				cert, err := x509.ParseCertificate(der)
				if err != nil && row.library == "" {
					t.Fatalf("the library does not read it: %v", err)
				} else if err != nil {
					f.expect(t, row, err)
					return
				}
				presented = append(presented, cert)
			}
			_, err := verifier.Check(context.Background(), presented)
			f.expect(t, row, err)
		})
	}
}

// refusedByTLS reports whether crypto/tls refused the client before it asked the
// verifier: it does where there is no certificate or no use for the key.
func (f *forger) refusedByTLS(row forgery, err error) bool {
	return err != nil && (row.code == CodeMissing && strings.Contains(err.Error(), "didn't provide a certificate") ||
		row.code == CodeKey && strings.Contains(err.Error(), "unsupported public key"))
}

func (f *forger) expect(t *testing.T, row forgery, err error) {
	t.Helper()
	refusal, ok := errors.AsType[*Error](err)
	switch {
	case err == nil:
		t.Errorf("it is accepted, want %s%s", row.code, row.library)
	case row.library != "":
		if !strings.Contains(err.Error(), row.library) {
			t.Errorf("got %q, want %q in it", err, row.library)
		}
	case !ok || refusal.Code != row.code:
		t.Errorf("got %v, want %s", err, row.code)
	case refusal.Message == "":
		t.Error("the refusal has no message")
	}
}

// server returns the certificate of a TLS server.
func (f *forger) server() tls.Certificate {
	key := testKey(f.t)
	cert := f.root.sign(f.t, &x509.Certificate{
		SerialNumber: serialOf(f.t), NotBefore: testStart().Add(-time.Hour), NotAfter: testStart().AddDate(1, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"service.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key.Public())
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// handshake returns why the server of verifier refuses a client with chain.
func (f *forger) handshake(verifier *Verifier, server tls.Certificate, chain [][]byte) error {
	here, there := f.connected()
	defer here.Close()
	client := tls.Client(there, &tls.Config{
		InsecureSkipVerify: true, Time: testStart, // the client is the attacker
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: chain, PrivateKey: f.key}, nil
		},
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.HandshakeContext(context.Background())
		_, _ = client.Read(make([]byte, 1)) // takes the alert, or the end
		_ = there.Close()
	}()
	err := tls.Server(here, verifier.TLSConfig(&tls.Config{Certificates: []tls.Certificate{server}})).HandshakeContext(context.Background())
	_ = here.Close()
	<-done
	return err
}

// connected returns both ends of a connection that gives up after a while.
func (f *forger) connected() (here, there net.Conn) {
	f.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	defer listener.Close()
	if there, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		f.t.Fatal(err)
	}
	if here, err = listener.Accept(); err != nil {
		f.t.Fatal(err)
	}
	for _, c := range []net.Conn{here, there} {
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			f.t.Fatal(err)
		}
	}
	return here, there
}

// one is a forgery that differs from a good certificate by change.
func (f *forger) one(code Code, change func(*parts)) forgery {
	return forgery{chain: [][]byte{f.cert(change)}, code: code}
}

func (f *forger) unread(library string, change func(*parts)) forgery {
	return forgery{chain: [][]byte{f.cert(change)}, library: library}
}

// by returns a good certificate of another CA, and what it sends along.
func (f *forger) by(ca testCA, code Code, above ...testCA) forgery {
	chain := [][]byte{f.cert(func(p *parts) {
		p.issuer = ca.cert.RawSubject
		p.set(ext(extAKI, false, seq(tagged(0x80, ca.cert.SubjectKeyId))))
		p.sign = func(tbs []byte) []byte { return f.signWith(ca.key, tbs) }
	})}
	for _, a := range above {
		chain = append(chain, a.cert.Raw)
	}
	return forgery{chain: chain, code: code}
}
