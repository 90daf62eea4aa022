package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"
	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/postern-ca/postern/issuance"
)

// patience is how long a step waits for what happens by itself: a message to
// arrive, a revocation to be in every view. That takes a second at most, but on a
// machine that has much else to do.
const patience = 30 * time.Second

// sent is a message in the outbox.
type sent struct{ Channel, To, Subject, Text string }

// message waits for the newest message on channel that contains text and was
// not read before.
func (s *story) message(ctx context.Context, channel issuance.Channel, text string) (m sent, err error) {
	err = s.await(ctx, func() error {
		var box struct{ Items []sent }
		status, _, body, err := s.do(ctx, s.client, http.MethodGet, s.h.cfg.Admin.URL+"/outbox.json", "", nil)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("the outbox answered %d", status)
		}
		if err := json.Unmarshal(body, &box); err != nil {
			return fmt.Errorf("reading the outbox: %w", err)
		}
		for _, m = range box.Items {
			if m.Channel == string(channel) && strings.Contains(m.Text, text) && !s.seen[m.Text] {
				return nil
			}
		}
		return fmt.Errorf("no %s arrived", channel)
	})
	if err == nil {
		s.seen[m.Text] = true
	}
	return m, err
}

// await tries f until it holds or the story's patience is over.
func (s *story) await(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *story) readPassword(ctx context.Context) (string, error) {
	var password string
	m, err := s.message(ctx, issuance.SMS, "-")
	if err != nil {
		return "", err
	}
	for word := range strings.FieldsSeq(m.Text) {
		if len(word) == 29 && strings.Count(word, "-") == 5 {
			password = word
		}
	}
	if password == "" {
		return "", errors.New("the SMS has no password")
	}
	s.password = password
	return "to " + m.To + ", after the file had arrived", nil
}

func (s *story) openFile(context.Context) (string, error) {
	if _, _, _, err := pkcs12.DecodeChain(s.file, "wrong-"+s.password); err == nil {
		return "", errors.New("the file opens with a wrong password")
	}
	key, cert, chain, err := pkcs12.DecodeChain(s.file, s.password)
	if err != nil {
		return "", fmt.Errorf("opening the file with the password from the SMS: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return "", fmt.Errorf("the file has a key of type %T", key)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(s.h.authority.Root())
	s.identity = tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: signer, Leaf: cert}
	for _, c := range chain {
		between.AddCert(c)
		if !bytes.Equal(c.Raw, s.h.authority.Root().Raw) {
			s.identity.Certificate = append(s.identity.Certificate, c.Raw)
		}
	}
	if _, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return "", err
	}
	s.serial = issuance.SerialOf(cert.SerialNumber)
	s.call, s.fresh = s.application(roots, false), s.application(roots, true)
	sum := sha256.Sum256(cert.Raw)
	return fmt.Sprintf("%s, until %s, SHA-256 %s…", cert.Subject, cert.NotAfter.Format(time.DateOnly),
		hex.EncodeToString(sum[:4])), nil
}

// application returns the HTTP client of the customer's application.
func (s *story) application(roots *x509.CertPool, fresh bool) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: fresh,
		TLSClientConfig: &tls.Config{
			RootCAs: roots, Certificates: []tls.Certificate{s.identity},
			ClientSessionCache: tls.NewLRUClientSessionCache(4),
		},
	}}
}

func (s *story) callService(ctx context.Context) (string, error) {
	var who struct{ Organization, Service string }
	for _, c := range []*http.Client{s.call, s.fresh, s.fresh} { // the last one resumes
		status, _, body, err := s.do(ctx, c, http.MethodGet, s.h.cfg.MTLS.URL+"/whoami", "", nil)
		if err != nil {
			return "", err
		}
		if status != http.StatusOK {
			return "", fmt.Errorf("the call was answered with %d: %.100s", status, body)
		}
		if err := json.Unmarshal(body, &who); err != nil {
			return "", err
		}
		if who.Organization != "acme" || !strings.Contains(who.Service, "payments") {
			return "", fmt.Errorf("the service saw %q of %q", who.Service, who.Organization)
		}
	}
	return "accepted as " + who.Service + " of " + who.Organization, nil
}

// callRefused makes the same calls after the revocation: over the connection
// that was open, and over a new one that would resume. Each must be refused for
// that reason: a server that does not answer proves nothing.
func (s *story) callRefused(ctx context.Context) (string, error) {
	status, _, body, err := s.do(ctx, s.call, http.MethodGet, s.h.cfg.MTLS.URL+"/whoami", "", nil)
	if err != nil {
		return "", fmt.Errorf("on the open connection: %w", err)
	}
	if status != http.StatusForbidden || !bytes.Contains(body, []byte("revoked")) {
		return "", fmt.Errorf("on the open connection the revoked certificate was answered with %d: %.100s", status, body)
	}
	if err := s.handshake(ctx); err == nil {
		return "", errors.New("on a new connection the revoked certificate was accepted")
	} else if !strings.Contains(err.Error(), "remote error: tls:") {
		return "", fmt.Errorf("on a new connection: %w", err)
	} else {
		return fmt.Sprintf("%d on the open connection; on a new one: %s", http.StatusForbidden,
			strings.TrimPrefix(err.Error(), "remote error: ")), nil
	}
}

// handshake opens a new connection with the certificate and says what the server
// makes of it. It writes nothing after the handshake: in TLS 1.3 the client ends
// it first, and a request would run into the server's refusal.
func (s *story) handshake(ctx context.Context) error {
	transport, ok := s.fresh.Transport.(*http.Transport)
	if !ok {
		return errors.New("the client application has no own transport")
	}
	conn, err := (&tls.Dialer{Config: transport.TLSClientConfig}).DialContext(ctx, "tcp",
		strings.TrimPrefix(s.h.cfg.MTLS.URL, "https://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) { // it waits for a request: it let us in
		return nil
	}
	return err
}

// checkViews waits for the revocation to be in the CRL and in OCSP.
func (s *story) checkViews(ctx context.Context) (string, error) {
	if err := s.await(ctx, func() error { return s.inBundle(ctx) }); err != nil {
		return "", err
	}
	if err := s.await(ctx, func() error { return s.revokedByOCSP(ctx) }); err != nil {
		return "", err
	}
	return "both say revoked", nil
}

func (s *story) inBundle(ctx context.Context) error {
	_, _, rest, err := s.do(ctx, s.client, http.MethodGet, s.h.cfg.Plain.URL+"/pki/crl-bundle.pem", "", nil)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return fmt.Errorf("reading the CRL bundle: %w", err)
		}
		for _, e := range list.RevokedCertificateEntries {
			if issuance.SerialOf(e.SerialNumber) == s.serial {
				return nil
			}
		}
	}
	return errors.New("the CRL bundle does not have the revoked certificate")
}

func (s *story) revokedByOCSP(ctx context.Context) error {
	issuer, err := x509.ParseCertificate(s.identity.Certificate[1])
	if err != nil {
		return err
	}
	request, err := ocsp.CreateRequest(s.identity.Leaf, issuer, nil)
	if err != nil {
		return err
	}
	_, _, body, err := s.do(ctx, s.client, http.MethodPost, s.h.cfg.Plain.URL+"/ocsp", "application/ocsp-request", request)
	if err != nil {
		return err
	}
	answer, err := ocsp.ParseResponse(body, issuer)
	if err != nil {
		return fmt.Errorf("reading the OCSP answer: %w", err)
	}
	if answer.Status != ocsp.Revoked {
		return errors.New("OCSP does not say revoked")
	}
	return nil
}
