package delivery

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-ca/postern/delivery/twiliotest"
	"github.com/postern-ca/postern/issuance"
)

func refuses(context.Context, Message, int) (string, error) {
	return "", &SendError{Message: "check sms.twilio.auth_token", Pause: true}
}

func TestHurryEndsTheRestOfAPausedChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: refuses}
		h := runCourier(t, p, func(s *memory) {
			s.queue(t, issuance.CodeNotice, time.Now())
			s.queue(t, issuance.PasswordNotice, time.Now())
		}, func(c *CourierConfig) { c.Workers, c.Probe = 1, 30*time.Minute })
		time.Sleep(time.Second)
		if got := h.courier.Status(); !got.Paused || got.FailingSince.IsZero() || got.LastError == "" {
			t.Fatalf("status %+v, want a paused channel", got)
		}
		if n := len(h.waiting(t)); n != 2 {
			t.Errorf("%d messages wait, want 2", n)
		}
		// Still wrong: who follows a message is told so at once.
		began, wait := time.Now(), h.courier.Follow("msg-0001")
		h.courier.Hurry()
		wait(t.Context())
		if took := time.Since(began); took > time.Second || !h.courier.Status().Paused {
			t.Errorf("told after %v, status %+v", took, h.courier.Status())
		}
		// Mended: a new sender, and what waits goes out without half an hour's rest.
		good := &provider{answer: accepts}
		h.courier.SetSender(good)
		if err := h.courier.Registrar.Hasten(t.Context(), issuance.SMS); err != nil {
			t.Fatal(err)
		}
		began, wait = time.Now(), h.courier.Follow("msg-0001")
		h.courier.Hurry()
		wait(t.Context())
		if took := time.Since(began); took > time.Second || h.notice(t, "msg-0001").State != issuance.Accepted {
			t.Errorf("told after %v, the message is %s", took, h.notice(t, "msg-0001").State)
		}
		time.Sleep(time.Second)
		h.end()
		if got := h.courier.Status(); got.Paused || got.Accepted != 2 || !got.FailingSince.IsZero() || good.total() != 2 {
			t.Errorf("status %+v after %d tries", got, good.total())
		}
		if left := h.waiting(t); len(left) != 0 {
			t.Errorf("%d messages wait, want none", len(left))
		}
	})
}

// TestARefusalOfAReplacedSenderIsNoAnswer: the sender is corrected while the wrong one
// is still being refused. Who follows the message is told what came of the right one,
// and it does not wait for the rest of a paused channel.
func TestARefusalOfAReplacedSenderIsNoAnswer(t *testing.T) {
	for name, answer := range map[string]error{
		"the account":  &SendError{Message: "check sms.twilio.auth_token", Pause: true},
		"the provider": &SendError{Message: "no connection to the old host", RetryAfter: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &provider{answer: func(context.Context, Message, int) (string, error) {
					time.Sleep(5 * time.Second)
					return "", answer
				}}
				h := runCourier(t, p, func(s *memory) { s.queue(t, issuance.CodeNotice, time.Now()) },
					func(c *CourierConfig) { c.Probe = 30 * time.Minute })
				time.Sleep(time.Second)
				h.courier.SetSender(&provider{answer: accepts})
				if err := h.courier.Registrar.Hasten(t.Context(), issuance.SMS); err != nil {
					t.Fatal(err)
				}
				began, wait := time.Now(), h.courier.Follow("msg-0000")
				h.courier.Hurry()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				wait(ctx)
				if n, took := h.notice(t, "msg-0000"), time.Since(began); n.State != issuance.Accepted || took > 6*time.Second {
					t.Errorf("after %v the message is %s: %s", took, n.State, n.LastError)
				}
				if s := h.courier.Status(); s.Paused || !s.FailingSince.IsZero() {
					t.Errorf("status %+v", s)
				}
				h.end()
			})
		})
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := runCourier(t, &provider{answer: accepts}, nil)
		wait := h.courier.Follow("msg-none")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wait(ctx)
		h.end()
		if len(h.courier.followers) != 0 {
			t.Error("it is followed for ever")
		}
	})
}

func TestTrialSendsATextOfItsOwn(t *testing.T) {
	sender, server := fakeTwilio(t, nil)
	c, err := NewCourier(CourierConfig{
		Registrar: registrarOn(t, newMemory(), slog.New(slog.DiscardHandler)), Channel: issuance.SMS, Sender: sender, Texts: sampleTexts(t), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range issuance.Languages() {
		id, err := c.Trial(t.Context(), "+41791234542", language)
		if err != nil {
			t.Fatal(err)
		}
		messages := server.Messages()
		if last := messages[len(messages)-1]; last.SID != id || len([]rune(last.Body)) > segment || !strings.Contains(strings.ToLower(last.Body), "test") {
			t.Errorf("%s: id %q of %+v", language, id, last)
		}
	}
	select {
	case <-c.hurry:
	default:
		t.Error("a paused channel would rest on")
	}
	if _, err := c.Trial(t.Context(), twiliotest.Invalid, "en"); err == nil || !strings.Contains(err.Error(), "mobile number") {
		t.Errorf("got %v", err)
	}
}
