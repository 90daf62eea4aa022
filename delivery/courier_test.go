package delivery

import (
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

	"github.com/postern-ca/postern/issuance"
)

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
