package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
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
	must(b, onLoopback(cfg, []int{0, 0, 0, 0}))
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
