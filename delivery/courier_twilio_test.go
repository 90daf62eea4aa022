package delivery

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/delivery/twiliotest"
	"github.com/postern-ca/postern/issuance"
)

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
