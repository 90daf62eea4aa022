package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// story is one order as its people live it, over HTTP.
type story struct {
	demoOptions
	h      *house
	token  issuance.Secret
	client *http.Client // knows the root

	patience time.Duration
	seen     map[string]bool // messages that were read
	order    string
	link     string
	code     string
	file     []byte
	password string
	identity tls.Certificate
	serial   issuance.Serial
	// call is the two-way TLS call of the client application, over a connection
	// that stays open; fresh is the same over a new one.
	call, fresh *http.Client
}

// step is one line of the story: what is done, and what was seen.
type step struct {
	name string
	do   func(*story, context.Context) (seen string, err error)
}

func steps() []step {
	return []step{
		{"order", (*story).placeOrder},
		{"approval", (*story).approve},
		{"e-mail", (*story).readMail},
		{"SMS code", (*story).readCode},
		{"wrong code", (*story).tryWrongCode},
		{"download", (*story).download},
		{"password SMS", (*story).readPassword},
		{"file opened", (*story).openFile},
		{"two-way TLS", (*story).callService},
		{"revocation", (*story).revoke},
		{"call refused", (*story).callRefused},
		{"CRL, OCSP", (*story).checkViews},
		{"renewal", (*story).renew},
	}
}

func newStory(ctx context.Context, h *house, o demoOptions) (*story, error) {
	token, err := h.keptToken(ctx)
	if err != nil {
		return nil, err
	}
	staff, err := h.staff.Authenticate(ctx, token)
	if err != nil {
		return nil, err
	}
	if _, _, err := h.sampleParties(bySelf(ctx), staff); err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(h.authority.Root())
	return &story{
		demoOptions: o, h: h, token: token, patience: patience, seen: make(map[string]bool),
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
	}, nil
}

// tell goes through the steps until one does not hold.
func (s *story) tell(ctx context.Context) error {
	for _, step := range steps() {
		if s.change != nil {
			s.change(step.name, s)
		}
		seen, err := step.do(s, ctx)
		if err != nil {
			fmt.Fprintf(s.out, "%-13s failed\n", step.name)
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(s.out, "%-13s %s\n", step.name, seen)
	}
	if s.keep {
		return s.keepFiles(ctx)
	}
	return nil
}

func (s *story) placeOrder(ctx context.Context) (string, error) {
	var contacts struct{ Items []struct{ ID, Name string } }
	if err := s.api(ctx, http.MethodGet, "/contacts?organization=acme", nil, &contacts); err != nil {
		return "", err
	}
	if len(contacts.Items) == 0 {
		return "", errors.New("the sample contact is not listed")
	}
	var o struct{ ID, State, Service string }
	if err := s.api(ctx, http.MethodPost, "/orders",
		map[string]string{"service": "acme.payments", "contact": contacts.Items[0].ID}, &o); err != nil {
		return "", err
	}
	s.order = o.ID
	if o.State != string(issuance.RequestedState) {
		return "", fmt.Errorf("the order is %s, not requested", o.State)
	}
	return o.ID + " for " + o.Service + ", to be received by " + contacts.Items[0].Name, nil
}

func (s *story) approve(ctx context.Context) (string, error) {
	var o struct{ State string }
	if err := s.api(ctx, http.MethodPost, "/orders/"+s.order+"/approve", map[string]string{}, &o); err != nil {
		return "", err
	}
	if o.State != string(issuance.InvitedState) {
		return "", fmt.Errorf("the order is %s, not invited", o.State)
	}
	return "the order is " + o.State + "; nothing was made in the CA yet", nil
}

func (s *story) readMail(ctx context.Context) (string, error) {
	m, err := s.message(ctx, issuance.Mail, s.h.cfg.Public.URL+"/c/")
	if err != nil {
		return "", err
	}
	s.link = regexp.MustCompile(regexp.QuoteMeta(s.h.cfg.Public.URL) + `/c/[A-Za-z0-9_-]+`).FindString(m.Text)
	return "to " + m.To + ": " + m.Subject, nil
}

func (s *story) readCode(ctx context.Context) (string, error) {
	m, err := s.message(ctx, issuance.SMS, "#")
	if err != nil {
		return "", err
	}
	_, after, _ := strings.Cut(m.Text, "#")
	if s.code = after; len(s.code) != 8 {
		return "", fmt.Errorf("the last line of the SMS has no code of eight digits")
	}
	return "to " + m.To + ", eight digits, " + itoa(s.h.cfg.Policy().CodeLifetime.Minutes()) + " minutes to use them", nil
}

func (s *story) tryWrongCode(ctx context.Context) (string, error) {
	wrong := "00000000"
	if s.code == wrong {
		wrong = "00000001"
	}
	status, _, body, err := s.claim(ctx, wrong)
	if err != nil {
		return "", err
	}
	if status != http.StatusForbidden {
		return "", fmt.Errorf("a wrong code was answered with %d: %.100s", status, body)
	}
	return fmt.Sprintf("refused with %d: %s", status, firstLine(body)), nil
}

func (s *story) download(ctx context.Context) (string, error) {
	status, header, body, err := s.claim(ctx, s.code)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK || header.Get("Content-Type") != "application/x-pkcs12" {
		return "", fmt.Errorf("the right code was answered with %d: %.100s", status, firstLine(body))
	}
	s.file = body
	return fmt.Sprintf("%d bytes of PKCS#12, made on demand", len(body)), nil
}

func (s *story) revoke(ctx context.Context) (string, error) {
	var c struct{ Status, Reason string }
	body := map[string]string{"reason": string(issuance.KeyCompromise), "comment": "the demo"}
	if err := s.api(ctx, http.MethodPost, "/certificates/"+string(s.serial)+"/revoke", body, &c); err != nil {
		return "", err
	}
	if c.Status != string(issuance.Revoked) {
		return "", fmt.Errorf("the certificate is %s, not revoked", c.Status)
	}
	return "certificate " + string(s.serial) + " is " + c.Status + ": " + c.Reason, nil
}

// renew goes the whole way again for a successor.
func (s *story) renew(ctx context.Context) (string, error) {
	old := s.serial
	var o struct{ ID, Renews string }
	if err := s.api(ctx, http.MethodPost, "/certificates/"+string(old)+"/renew", map[string]string{}, &o); err != nil {
		return "", err
	}
	if o.Renews != string(old) {
		return "", fmt.Errorf("the order renews %q, not %s", o.Renews, old)
	}
	first := s.kept()
	s.order = o.ID
	for _, do := range []func(*story, context.Context) (string, error){
		(*story).approve, (*story).readMail, (*story).readCode, (*story).download, (*story).readPassword,
		(*story).openFile, (*story).callService,
	} {
		if _, err := do(s, ctx); err != nil {
			return "", err
		}
	}
	if s.serial == old {
		return "", errors.New("the successor has the serial number of the old certificate")
	}
	renewed := s.kept()
	s.file, s.password, s.serial = first.file, first.password, old
	if s.keep {
		if err := s.write(map[string][]byte{
			"renewed.p12": renewed.file, "renewed-password.txt": []byte(renewed.password + "\n"),
		}); err != nil {
			return "", err
		}
	}
	return "certificate " + string(renewed.serial) + " was delivered the same way and is accepted", nil
}

func itoa(minutes float64) string { return strconv.FormatFloat(minutes, 'f', -1, 64) }
