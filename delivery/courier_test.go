package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/delivery/twiliotest"
	"github.com/postern-ca/postern/issuance"
)

// provider is a Sender that does what the test says, and notes what it is given.
type provider struct {
	answer func(ctx context.Context, m Message, try int) (string, error)

	mu      sync.Mutex
	tries   map[issuance.NoticeID][]time.Time
	texts   map[issuance.NoticeID][]string
	atOnce  int
	mostAll int
}

func (p *provider) Send(ctx context.Context, m Message) (string, error) {
	p.mu.Lock()
	if p.tries == nil {
		p.tries, p.texts = map[issuance.NoticeID][]time.Time{}, map[issuance.NoticeID][]string{}
	}
	p.tries[m.ID] = append(p.tries[m.ID], time.Now())
	p.texts[m.ID] = append(p.texts[m.ID], fmt.Sprint(m, string(m.Text.Reveal()), string(m.HTML.Reveal())))
	try := len(p.tries[m.ID])
	p.atOnce++
	p.mostAll = max(p.mostAll, p.atOnce)
	answer := p.answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.atOnce--
		p.mu.Unlock()
	}()
	return answer(ctx, m, try)
}

// Check is tested with real senders.
func (p *provider) Check(context.Context) (string, error) { return "", nil }

// from has the provider answer so from now on.
func (p *provider) from(answer func(context.Context, Message, int) (string, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// triesOf returns when the notice with id was tried.
func (p *provider) triesOf(id issuance.NoticeID) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tries[id])
}

// total returns how many tries there were, of all notices.
func (p *provider) total() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tries {
		n += len(t)
	}
	return n
}

// courierHouse is a courier for SMS in a bubble of time.
type courierHouse struct {
	*memory
	courier *Courier
	log     *bytes.Buffer
	stop    context.CancelFunc
	ended   chan struct{}
}

// runCourier starts a courier. It must be called in a synctest bubble.
func runCourier(t *testing.T, sender Sender, prepare func(*memory), change ...func(*CourierConfig)) *courierHouse {
	t.Helper()
	h := &courierHouse{memory: newMemory(), log: new(bytes.Buffer), ended: make(chan struct{})}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := CourierConfig{Registrar: registrarOn(t, h.memory, log), Channel: issuance.SMS, Sender: sender, Texts: sampleTexts(t), Now: time.Now, Log: log}
	for _, f := range change {
		f(&c)
	}
	var err error
	if h.courier, err = NewCourier(c); err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(h.memory)
	}
	ctx, stop := context.WithCancel(t.Context())
	h.stop = stop
	go func() {
		defer close(h.ended)
		if err := h.courier.Run(ctx); err != nil {
			t.Errorf("Run returned %v", err)
		}
	}()
	return h
}

// waiting returns the messages that wait.
func (h *courierHouse) waiting(t *testing.T) (out []issuance.Notice) {
	t.Helper()
	err := h.courier.Registrar.Read(t.Context(), func(tx issuance.Reader) (err error) {
		out, err = tx.DueNotices(issuance.SMS, time.Now().AddDate(1, 0, 0), issuance.MaxPage)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return out
}

// end stops the courier and waits for it.
func (h *courierHouse) end() {
	h.stop()
	<-h.ended
}

func accepts(context.Context, Message, int) (string, error) { return "SM1", nil }

func TestCourierDeliversInParallelWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: func(ctx context.Context, m Message, _ int) (string, error) {
			time.Sleep(time.Second)
			return "SM-" + string(m.ID), nil
		}}
		h := runCourier(t, p, func(s *memory) {
			for i := range 100 {
				s.queue(t, []issuance.NoticeKind{issuance.CodeNotice, issuance.PasswordNotice}[i%2], time.Now())
			}
		}, func(c *CourierConfig) { c.Workers = 7 })
		time.Sleep(time.Minute)
		h.end()
		if diff := cmp.Diff(map[issuance.NoticeState]int{issuance.Accepted: 100}, h.states()); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if p.mostAll != 7 || p.total() != 100 {
			t.Errorf("%d at the same time, %d tries; want 7 and 100", p.mostAll, p.total())
		}
		n := h.notice(t, "msg-0001")
		if o := h.data.orders[n.Order]; n.ProviderID != "SM-msg-0001" || o.State != issuance.CompletedState {
			t.Errorf("provider id %q, order %s", n.ProviderID, o.State)
		}
		if o := h.data.orders["ord-0000"]; !o.Code.AcceptedAt.Equal(h.notice(t, "msg-0000").SettledAt) || o.Code.AcceptedAt.IsZero() {
			t.Errorf("the code's time began at %v", o.Code.AcceptedAt)
		}
		if got := h.courier.Status(); got.Accepted != 100 || got.Paused || got.LastAccepted.IsZero() {
			t.Errorf("status %+v", got)
		}
	})
}

func TestCourierTriesAgainTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: func(_ context.Context, _ Message, try int) (string, error) {
			switch {
			case try == 3:
				return "", &SendError{Message: "too many", RetryAfter: 10 * time.Minute}
			case try < 9:
				return "", &SendError{Message: "later"}
			}
			return "SM1", nil
		}}
		h := runCourier(t, p, func(s *memory) { s.queue(t, issuance.PasswordNotice, time.Now()) })
		time.Sleep(3 * time.Hour)
		h.end()
		if n := h.notice(t, "msg-0000"); n.State != issuance.Accepted || n.Attempts != 9 {
			t.Fatalf("state %s after %d tries: %s", n.State, n.Attempts, n.LastError)
		}
		tries := p.tries["msg-0000"]
		// 5 s, 15 s, what the provider asked for, 135 s, 405 s, 15 min and 15 min again; give or take a fifth.
		for i, want := range []time.Duration{5 * time.Second, 15 * time.Second, 10 * time.Minute, 135 * time.Second, 405 * time.Second, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
			got := tries[i+1].Sub(tries[i])
			if got < want*4/5 || got > want*6/5+shortestSleep {
				t.Errorf("waited %v after try %d, want about %v", got, i+1, want)
			}
		}
		texts := p.texts["msg-0000"]
		if slices.ContainsFunc(texts, func(s string) bool { return s != texts[0] }) {
			t.Errorf("the tries differ: %q", texts)
		}
	})
}

func TestCourierShowsWhatIsHopeless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: func(context.Context, Message, int) (string, error) {
			return "", &SendError{Message: "no such number; correct it", Permanent: true}
		}}
		h := runCourier(t, p, func(s *memory) { s.queue(t, issuance.PasswordNotice, time.Now()) })
		time.Sleep(time.Hour)
		h.end()
		n := h.notice(t, "msg-0000")
		if n.State != issuance.Failed || n.LastError != "no such number; correct it" || p.total() != 1 {
			t.Errorf("state %s, reason %q, %d tries", n.State, n.LastError, p.total())
		}
		if _, ok := h.data.secrets[issuance.SecretRef{Kind: issuance.PasswordSecret, Owner: string(n.Order)}]; !ok {
			t.Error("the password is lost")
		}
		if len(h.data.notices) != 2 { // with the alert to staff
			t.Errorf("%d notices, want the alert too", len(h.data.notices))
		}
		if got := h.courier.Status(); got.Failed != 1 || got.Paused {
			t.Errorf("status %+v", got)
		}
	})
}

func TestCourierPausesAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mended := false
		var mu sync.Mutex
		p := &provider{answer: func(context.Context, Message, int) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if mended {
				return "SM1", nil
			}
			return "", &SendError{Message: "check sms.twilio.auth_token", Pause: true}
		}}
		start := time.Now()
		h := runCourier(t, p, func(s *memory) {
			for range 50 {
				s.queue(t, issuance.CodeNotice, time.Now())
			}
		})
		time.Sleep(time.Hour + time.Second)
		status := h.courier.Status()
		if !status.Paused || status.Reason != "check sms.twilio.auth_token" || !status.Since.Equal(start) {
			t.Errorf("status %+v", status)
		}
		if got := p.total(); got > 4+60 { // one of each worker, then one a minute
			t.Errorf("%d tries in an hour of pause", got)
		}
		for i := range 50 {
			id := issuance.NoticeID(fmt.Sprintf("msg-%04d", i))
			if n := h.notice(t, id); n.State != issuance.Pending || n.Attempts != 0 {
				t.Errorf("%s is %s with %d tries", id, n.State, n.Attempts)
			}
		}
		mu.Lock()
		mended = true
		mu.Unlock()
		time.Sleep(3 * time.Minute)
		h.end()
		if diff := cmp.Diff(map[issuance.NoticeState]int{issuance.Accepted: 50}, h.states()); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if status := h.courier.Status(); status.Paused || status.Reason != "" {
			t.Errorf("status %+v", status)
		}
		if got := strings.Count(h.log.String(), "channel paused"); got != 1 {
			t.Errorf("the pause is %d times in the log", got)
		}
	})
}

func TestCourierIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: accepts}
		h := runCourier(t, p, nil)
		time.Sleep(time.Hour)
		asked := time.Now()
		id := h.queue(t, issuance.CodeNotice, asked)
		h.courier.Wake()
		synctest.Wait()
		if tries := p.triesOf(id); len(tries) != 1 || !tries[0].Equal(asked) {
			t.Errorf("woken at %v, tried at %v", asked, tries)
		}
		// Another node wakes nobody here.
		asked = time.Now()
		id = h.queue(t, issuance.CodeNotice, asked)
		time.Sleep(longestSleep + time.Second)
		if tries := p.triesOf(id); len(tries) != 1 || tries[0].Sub(asked) > longestSleep {
			t.Errorf("queued at %v, tried at %v", asked, tries)
		}
		h.end()
	})
}

func TestCourierDrainsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: func(ctx context.Context, _ Message, _ int) (string, error) {
			select {
			case <-time.After(10 * time.Second):
				return "SM1", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}}
		h := runCourier(t, p, func(s *memory) {
			for range 10 {
				s.queue(t, issuance.CodeNotice, time.Now())
			}
		})
		time.Sleep(time.Second)
		h.end()
		// What was on its way is settled; what was not is left for the next start.
		if diff := cmp.Diff(map[issuance.NoticeState]int{issuance.Accepted: 4, issuance.Pending: 6}, h.states()); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

func TestCourierIsCutOffAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: func(ctx context.Context, _ Message, _ int) (string, error) {
			<-ctx.Done()
			return "", unreachable("the provider", ctx.Err())
		}}
		h := runCourier(t, p, func(s *memory) { s.queue(t, issuance.CodeNotice, time.Now()) })
		time.Sleep(time.Second)
		stopped := time.Now()
		h.end()
		if got := time.Since(stopped); got != 15*time.Second {
			t.Errorf("Run returned after %v, want Drain", got)
		}
		if n := h.notice(t, "msg-0000"); n.State != issuance.Pending || n.LastError == "" {
			t.Errorf("%s, %q; want it to be sent again", n.State, n.LastError)
		}
	})
}

func TestCourierSendsAgainWhatWasNotSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: accepts}
		h := runCourier(t, p, func(s *memory) { s.queue(t, issuance.CodeNotice, time.Now()) })
		synctest.Wait()
		if got := h.states()[issuance.Accepted]; got != 1 {
			t.Fatalf("%d accepted", got)
		}
		// The store has a bad moment, shorter than the courier's patience.
		failing := func(updates int) func(context.Context, Message, int) (string, error) {
			var once sync.Once
			return func(context.Context, Message, int) (string, error) {
				once.Do(func() {
					h.mu.Lock()
					h.failing = updates
					h.mu.Unlock()
				})
				return "SM1", nil
			}
		}
		p.from(failing(2))
		short := h.queue(t, issuance.CodeNotice, time.Now())
		h.courier.Wake()
		time.Sleep(10 * time.Second)
		if n := h.notice(t, short); n.State != issuance.Accepted || len(p.triesOf(short)) != 1 {
			t.Errorf("%s after %d tries, want accepted at once", n.State, len(p.triesOf(short)))
		}
		// A longer one: the lease runs out, and the message goes out once more.
		p.from(failing(20))
		long := h.queue(t, issuance.CodeNotice, time.Now())
		h.courier.Wake()
		time.Sleep(10 * time.Minute)
		h.end()
		if n := h.notice(t, long); n.State != issuance.Accepted || len(p.tries[long]) != 2 || p.texts[long][0] != p.texts[long][1] {
			t.Errorf("%s after %d tries, want accepted after two that are the same", n.State, len(p.tries[long]))
		}
	})
}

func TestCourierGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: func(ctx context.Context, _ Message, try int) (string, error) {
			if try == 1 {
				<-ctx.Done() // a provider that never answers
				return "", unreachable("the provider", ctx.Err())
			}
			return "SM1", nil
		}}
		h := runCourier(t, p, func(s *memory) { s.queue(t, issuance.CodeNotice, time.Now()) })
		time.Sleep(2 * time.Minute)
		h.end()
		if n := h.notice(t, "msg-0000"); n.State != issuance.Accepted || n.Attempts != 2 {
			t.Errorf("%s after %d tries", n.State, n.Attempts)
		}
	})
}

func TestCourierLeavesABrokenStoreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := runCourier(t, &provider{answer: accepts}, func(s *memory) {
			s.queue(t, issuance.CodeNotice, time.Now())
			s.failing = 1000
		})
		time.Sleep(time.Minute)
		h.end()
		if got := strings.Count(h.log.String(), "taking notices"); got < 10 || got > 30 {
			t.Errorf("it asked %d times in a minute", got)
		}
	})
}

func TestCourierHasOneConfigurationError(t *testing.T) {
	good := CourierConfig{Registrar: new(issuance.Registrar), Channel: issuance.SMS, Sender: new(Outbox), Texts: new(Texts), Now: time.Now, Log: slog.Default()}
	c, err := NewCourier(good)
	if err != nil {
		t.Fatal(err)
	}
	if c.Workers != 4 || c.Timeout != 45*time.Second || c.Lease != 135*time.Second || c.Probe != time.Minute || c.Drain != 15*time.Second {
		t.Errorf("defaults %+v", c.CourierConfig)
	}
	for name, change := range map[string]func(*CourierConfig){
		"registrar": func(c *CourierConfig) { c.Registrar = nil },
		"channel":   func(c *CourierConfig) { c.Channel = "" },
		"sender":    func(c *CourierConfig) { c.Sender = nil },
		"lease":     func(c *CourierConfig) { c.Timeout, c.Lease = time.Minute, time.Second },
		"workers":   func(c *CourierConfig) { c.Workers = -1 },
	} {
		bad := good
		change(&bad)
		if _, err := NewCourier(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestBackoff(t *testing.T) {
	for attempts, want := range map[int]time.Duration{-1: 5 * time.Second, 0: 5 * time.Second, 1: 5 * time.Second, 2: 15 * time.Second, 3: 45 * time.Second, 6: 15 * time.Minute, 1 << 40: 15 * time.Minute} {
		for range 100 {
			if got := backoff(attempts, 0); got < want*4/5 || got > want*6/5 {
				t.Errorf("after %d tries %v, want about %v", attempts, got, want)
			}
		}
	}
	if got := backoff(1, 30*24*time.Hour); got != longestAsked {
		t.Errorf("a provider that asks for a month gets %v", got)
	}
}

// TestSecretsStayOutOfLogs has every fault of a provider quote what it was sent.
func TestSecretsStayOutOfLogs(t *testing.T) {
	for _, kind := range []issuance.NoticeKind{issuance.CodeNotice, issuance.PasswordNotice, issuance.InvitationNotice} {
		var planted string
		quoting := func(f func(text string) error) func(context.Context, Message, int) (string, error) {
			return func(_ context.Context, m Message, try int) (string, error) {
				if m.Kind == kind { // and not the alert that follows
					planted = string(m.Secret.Reveal())
				}
				if try > 1 {
					return "", &SendError{Permanent: true, Message: m.quote(string(m.Text.Reveal()))}
				}
				return "", f(string(m.Text.Reveal()))
			}
		}
		for name, answer := range map[string]func(context.Context, Message, int) (string, error){
			"plain error":   quoting(func(s string) error { return errors.New(s) }),
			"wrapped error": quoting(func(s string) error { return fmt.Errorf("sending: %w", errors.New(strings.ToUpper(s))) }),
			"paused": func(_ context.Context, m Message, _ int) (string, error) {
				planted = string(m.Secret.Reveal())
				return "", &SendError{Pause: true, Message: m.quote(string(m.Text.Reveal()))}
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				h := runCourier(t, &provider{answer: answer}, func(s *memory) { s.queue(t, kind, time.Now()) }, func(c *CourierConfig) { c.Channel = kind.Channel() })
				time.Sleep(time.Hour)
				h.end()
				hunt := Message{Secret: issuance.NewSecret([]byte(planted))}
				if planted == "" || hunt.leaks(h.log.String()) {
					t.Errorf("%s, %s: the log has the secret:\n%s", kind, name, h.log)
				}
				if n := h.notice(t, "msg-0000"); n.LastError == "" || hunt.leaks(n.LastError) {
					t.Errorf("%s, %s: reason %q", kind, name, n.LastError)
				}
				if hunt.leaks(fmt.Sprintf("%+v", h.courier.Status())) {
					t.Errorf("%s, %s: status %+v", kind, name, h.courier.Status())
				}
			})
		}
	}
}

// TestCourierWithTwilioLosesNothing has every fault of the specification come
// before the message is accepted, on real time and a real connection.
func TestCourierWithTwilioLosesNothing(t *testing.T) {
	sender, server := fakeTwilio(t, func(c *TwilioConfig) { c.Timeout = 100 * time.Millisecond })
	server.Script(twiliotest.Internal(), twiliotest.BadGateway(), twiliotest.LostAnswer(), twiliotest.CutAnswer(), twiliotest.Unauthenticated())
	log := new(bytes.Buffer)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store := newMemory()
	ids := []issuance.NoticeID{store.queue(t, issuance.PasswordNotice, time.Now())}
	courier, err := NewCourier(CourierConfig{Registrar: registrarOn(t, store, logger), Channel: issuance.SMS, Sender: sender, Texts: sampleTexts(t), Now: time.Now, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	for try := 1; store.notice(t, ids[0]).State == issuance.Pending; try++ {
		if try > 6 {
			t.Fatalf("still %+v", store.notice(t, ids[0]))
		}
		n := store.notice(t, ids[0])
		n.NextAt = time.Now()
		store.data.notices[n.ID] = n
		for _, d := range courier.take(t.Context(), 1) {
			courier.deliver(t.Context(), d)
		}
	}
	requests, messages := server.Requests(), server.Messages()
	if len(requests) != 6 || len(messages) != 3 { // two of them Postern never heard of
		t.Errorf("%d requests and %d messages, want 6 and 3", len(requests), len(messages))
	}
	for _, q := range requests {
		if q.Body != requests[0].Body {
			t.Errorf("sent %q, then %q", requests[0].Body, q.Body)
		}
	}
	if n := store.notice(t, ids[0]); n.State != issuance.Accepted || n.ProviderID != messages[len(messages)-1].SID {
		t.Errorf("%+v", n)
	}
	if (Message{Secret: issuance.NewSecret([]byte(plantedPassword))}).leaks(log.String()) || strings.Contains(log.String(), twiliotest.AuthToken) {
		t.Errorf("the log has a secret:\n%s", log)
	}
}
