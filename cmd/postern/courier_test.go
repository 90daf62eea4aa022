package main_test

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/delivery/twiliotest"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
)

// post is a registrar on bbolt with both couriers: mail goes through a real
// mail server, SMS to a fake of Twilio. Its clock is set by hand.
type post struct {
	*issuance.Registrar
	reports *report.Office
	t       *testing.T
	clock   atomic.Int64
	staff   issuance.Actor
	mail    *smtptest.Server
	twilio  *twiliotest.Server
	sms     *delivery.Courier
	letter  *delivery.Courier
	log     *postLog
}

func newPost(t *testing.T) *post {
	t.Helper()
	p := &post{
		t: t, staff: issuance.Actor{Role: issuance.RoleOfficer, ID: "tok-1", Name: "Olga"},
		mail: smtptest.New(t), twilio: twiliotest.New(t), log: new(postLog),
	}
	p.clock.Store(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC).UnixNano())
	log := slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	dir := t.TempDir()
	key, err := seal.Create(filepath.Join(dir, "seal.key"))
	p.must(err)
	store, err := bolt.Open(bolt.Options{Path: filepath.Join(dir, "postern.db"), Key: key, Log: log})
	p.must(err)
	t.Cleanup(func() { store.Close() })
	desk := &issuance.Desk{
		Now: p.now, Log: log, Alerts: []string{"duty@bank.example"},
		WakeCourier: func(c issuance.Channel) { p.courier(c).Wake() },
	}
	p.reports = &report.Office{Desk: desk, Store: store.Reports(), Policy: issuance.DefaultPolicy()}
	p.Registrar, err = issuance.New(issuance.Config{
		Desk: desk, Store: store, Signer: postSigner{}, Policy: issuance.DefaultPolicy(),
		NewKey:  func(issuance.KeyAlgorithm) (crypto.Signer, error) { return nil, errors.ErrUnsupported },
		KeyOf:   func(crypto.PublicKey) (issuance.KeyAlgorithm, error) { return "", errors.ErrUnsupported },
		ReadCSR: func([]byte) (crypto.PublicKey, error) { return nil, errors.ErrUnsupported },
		Pack:    delivery.Pack, NewPassword: delivery.NewPassword, NewSeed: delivery.NewSeed, Code: delivery.Code, CheckCode: delivery.CheckCode,
		Documents: map[issuance.NoticeKind]func(context.Context, string) (issuance.Document, error){
			issuance.ReportNotice: p.reports.Document,
		},
		ReadMobile: func(s string) (string, error) { return s, nil }, ASCIIAddress: delivery.ASCIIAddress, // what Twilio refuses must get as far as Twilio
		Workers: 1,
	})
	p.must(err)
	p.startCouriers(log)
	return p
}

// postLog is a log that is read while it is written.
type postLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *postLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *postLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// postSigner never signs: nothing here gets so far.
type postSigner struct{ issuance.Signer }

func (p *post) startCouriers(log *slog.Logger) {
	p.t.Helper()
	texts, err := delivery.NewTexts(delivery.Brand{Name: "Example Bank", SupportEmail: "support@bank.example", URL: "https://certs.bank.example"})
	p.must(err)
	mail, err := delivery.NewSMTP(delivery.SMTPConfig{
		Host: "127.0.0.1", Port: p.mail.Port, TLS: delivery.StartTLS, Roots: p.mail.Roots, From: "certificates@bank.example",
		Username: smtptest.User, Password: issuance.NewSecret([]byte(smtptest.Password)),
	})
	p.must(err)
	sms, err := delivery.NewTwilio(delivery.TwilioConfig{
		AccountSID: twiliotest.AccountSID, AuthToken: issuance.NewSecret([]byte(twiliotest.AuthToken)), From: twiliotest.From,
		BaseURL: p.twilio.URL, Timeout: 300 * time.Millisecond,
	})
	p.must(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	for channel, sender := range map[issuance.Channel]delivery.Sender{issuance.Mail: mail, issuance.SMS: sms} {
		c, err := delivery.NewCourier(delivery.CourierConfig{
			Registrar: p.Registrar, Channel: channel, Sender: sender, Texts: texts, Now: p.now, Log: log, Probe: 20 * time.Millisecond, Lease: time.Hour,
		})
		p.must(err)
		if channel == issuance.Mail {
			p.letter = c
		} else {
			p.sms = c
		}
	}
	for _, c := range []*delivery.Courier{p.letter, p.sms} {
		go func() { ended <- c.Run(ctx) }()
	}
	p.t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				p.t.Error(err)
			}
		}
	})
}

func (p *post) courier(c issuance.Channel) *delivery.Courier {
	if c == issuance.Mail {
		return p.letter
	}
	return p.sms
}

func (p *post) now() time.Time { return time.Unix(0, p.clock.Load()).UTC() }

func (p *post) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// until lets time pass, ten seconds of the clock at a go, until done. While a message
// is being sent the clock stands still: how long that takes here says nothing.
func (p *post) until(what string, done func() bool) {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("waited a minute for %s; the log:\n%s", what, p.log)
		}
		if !slices.ContainsFunc(p.notices(issuance.Pending), func(n issuance.Notice) bool { return n.Leased }) {
			p.clock.Add(int64(10 * time.Second))
		}
		p.sms.Wake()
		p.letter.Wake()
	}
}

// invite registers a contact with mobile, places an order and approves it.
func (p *post) invite(n int, mobile string) issuance.Order {
	p.t.Helper()
	ctx := p.t.Context()
	org := issuance.OrgID(fmt.Sprintf("customer-%d", n))
	_, err := p.AddOrganization(ctx, p.staff, issuance.OrganizationRequest{Organization: issuance.Organization{ID: org, Name: fmt.Sprintf("Customer %d", n)}})
	p.must(err)
	contact, err := p.AddContact(ctx, p.staff, issuance.ContactRequest{Contact: issuance.Contact{
		Organization: org, Name: "Anna Example", Email: fmt.Sprintf("anna%d@customer.example", n), Mobile: mobile, MayOrder: true, MayReceive: true,
	}})
	p.must(err)
	service, err := p.AddService(ctx, p.staff, issuance.ServiceRequest{Service: issuance.Service{Organization: org, Name: "payments"}})
	p.must(err)
	o, err := p.Request(ctx, p.staff, issuance.OrderRequest{Service: service.ID, Contact: contact.ID})
	p.must(err)
	o, err = p.Approve(ctx, p.staff, o.ID, "")
	p.must(err)
	return o
}

// notices lists what there is in state.
func (p *post) notices(state issuance.NoticeState) (out []issuance.Notice) {
	p.t.Helper()
	p.must(p.Read(p.t.Context(), func(tx issuance.Reader) (err error) {
		out, _, err = tx.Notices(issuance.NoticeQuery{State: state, Page: issuance.Page{Limit: issuance.MaxPage}})
		return err
	}))
	return out
}

func (p *post) nothingPending() bool { return len(p.notices(issuance.Pending)) == 0 }

// TestNothingIsLostOnTheWay has Twilio do its worst while orders are approved:
// every message arrives in the end, the same each time, and what is hopeless is
// shown with its reason, and can be mended.
func TestNothingIsLostOnTheWay(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	const orders = 12
	p.twilio.Script(
		twiliotest.Internal(), twiliotest.BadGateway(), twiliotest.TooMany(), twiliotest.LostAnswer(), twiliotest.CutAnswer(),
		twiliotest.Internal(), twiliotest.LostAnswer(), twiliotest.TooMany(), twiliotest.BadGateway(), twiliotest.CutAnswer(),
	)
	for n := range orders {
		p.invite(n, fmt.Sprintf("+4179123450%d", n))
	}
	p.until("every notice to be accepted", p.nothingPending)
	if got := len(p.notices(issuance.Accepted)); got != 2*orders {
		t.Errorf("%d notices were accepted, want %d", got, 2*orders)
	}
	bodies := map[string]string{}
	for _, q := range p.twilio.Requests() {
		to := q.Form.Get("To")
		if before, again := bodies[to]; again && before != q.Body {
			t.Errorf("the SMS to %s was %q, then %q", to, before, q.Body)
		}
		bodies[to] = q.Body
	}
	if len(bodies) != orders {
		t.Errorf("SMS went to %d numbers, want %d", len(bodies), orders)
	}
	mails := map[string]bool{}
	for range orders {
		m := p.mail.Next()
		if !m.TLS || !m.Authenticated || !strings.Contains(string(m.Data), "https://certs.bank.example/c/") {
			t.Errorf("mail %+v", m)
		}
		mails[m.To[0]] = true
	}
	if len(mails) != orders {
		t.Errorf("mails went to %d addresses, want %d", len(mails), orders)
	}

	t.Log("a number that is none")
	o := p.invite(orders, twiliotest.Invalid)
	p.until("the SMS to fail", func() bool { return len(p.notices(issuance.Failed)) == 1 })
	failed := p.notices(issuance.Failed)[0]
	if failed.Order != o.ID || !strings.Contains(failed.LastError, "21211") || !strings.Contains(failed.LastError, "mobile number") {
		t.Errorf("failed %+v", failed)
	}
	for alerted := false; !alerted; { // after the invitation, or before it
		m := p.mail.Next()
		alerted = m.To[0] == "duty@bank.example"
	}
	_, err := p.ChangeContact(t.Context(), p.staff, failed.Contact, func(c *issuance.Contact) { c.Mobile = "+41791234599" })
	p.must(err)
	_, err = p.Approve(t.Context(), p.staff, failed.Order, "") // what was approved was the other number
	p.must(err)
	p.until("the SMS to arrive", p.nothingPending)
	messages := p.twilio.Messages()
	if last := messages[len(messages)-1]; last.To != "+41791234599" {
		t.Errorf("the last SMS went to %s", last.To)
	}

	t.Log("a wrong auth token, for a while")
	p.twilio.Always(twiliotest.Unauthenticated())
	p.invite(orders+1, "+41791234598")
	p.until("the channel to pause", func() bool { return p.sms.Status().Paused })
	if got := p.sms.Status(); !strings.Contains(got.Reason, "sms.twilio.auth_token") || p.letter.Status().Paused {
		t.Errorf("status %+v, of mail %+v", got, p.letter.Status())
	}
	p.twilio.Always(twiliotest.Fault{})
	p.until("the SMS to arrive", p.nothingPending)
	if got := p.sms.Status(); got.Paused || got.LastAccepted.IsZero() || len(p.notices(issuance.Failed)) != 0 {
		t.Errorf("status %+v, failed %v", got, p.notices(issuance.Failed))
	}

	for _, body := range p.twilio.Messages() {
		code := body.Body[len(body.Body)-8:]
		if strings.Contains(p.log.String(), code) {
			t.Errorf("the log has the code of %q", body.Body)
		}
	}
	if strings.Contains(p.log.String(), twiliotest.AuthToken) || strings.Contains(p.log.String(), smtptest.Password) || strings.Contains(p.log.String(), "/c/") {
		t.Errorf("the log has a credential or a link")
	}
}
