package issuance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

// down is a channel that its provider refuses.
func (h *house) down(c issuance.Channel) issuance.ChannelState {
	return issuance.ChannelState{Channel: c, Paused: true, Since: h.now(), Reason: "535 authentication failed"}
}

func TestStaffAreToldOfAChannelByTheOther(t *testing.T) {
	for channel, other := range map[issuance.Channel]issuance.Channel{issuance.Mail: issuance.SMS, issuance.SMS: issuance.Mail} {
		h := newHouse(t)
		states := []issuance.ChannelState{h.down(channel), {Channel: other}}
		for range 3 { // of the same trouble once
			h.ok(h.WatchChannels(t.Context(), states))
		}
		sent := h.post(other)
		if len(sent) != 1 || !strings.Contains(sent[0].Notice.Text, "535 authentication failed") {
			t.Fatalf("%s is down: by %s %+v was sent", channel, other, sent)
		}
		if n := len(h.post(channel)); n != 0 {
			t.Errorf("%d messages were queued for the channel that is down", n)
		}
		h.advance(6 * time.Hour)
		h.ok(h.WatchChannels(t.Context(), states))
		if n := len(h.post(other)); n != 1 {
			t.Errorf("six hours later %d messages were sent, want 1", n)
		}
	}
}

func TestStaffAreToldOfMessagesThatWait(t *testing.T) {
	h := newHouse(t)
	h.invited()
	h.post(issuance.SMS)
	d := h.take(issuance.Mail)[0]
	h.ok(h.Settle(t.Context(), d.Notice.ID, issuance.Outcome{Err: errors.New("450 try again later")}))
	states := []issuance.ChannelState{{Channel: issuance.Mail}, {Channel: issuance.SMS}}
	h.ok(h.WatchChannels(t.Context(), states))
	if n := len(h.post(issuance.SMS)); n != 0 {
		t.Errorf("%d messages about one that waits for a moment", n)
	}
	h.advance(11 * time.Minute)
	h.ok(h.WatchChannels(t.Context(), states))
	sent := h.post(issuance.SMS)
	if len(sent) != 1 || !strings.Contains(sent[0].Notice.Text, "450 try again later") {
		t.Errorf("sent %+v", sent)
	}
}

// TestTheReportBeginsWithWhatDoesNotLeave: what stops everything comes first.
// A paused channel holds messages from the first minute on.
func TestTheReportCountsWhatAPausedChannelHolds(t *testing.T) {
	h := newHouse(t)
	h.invited()
	h.clerk.Channels = func() []issuance.ChannelState { return []issuance.ChannelState{h.down(issuance.Mail)} }
	r := h.report(report.Daily, "")
	if len(r.ToDo.Channels) != 1 || r.ToDo.Channels[0].Waiting != 1 || r.ToDo.Delayed.Count() != 0 {
		t.Errorf("channels %+v, delayed %+v", r.ToDo.Channels, r.ToDo.Delayed)
	}
}

func TestTheReportBeginsWithWhatDoesNotLeave(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	spent := h.invited()
	token, _ := h.delivered()
	for i := range h.cfg.Policy.CodesPerDay - 1 {
		h.advance(h.cfg.Policy.CodeCooldown)
		if err := h.SendCode(ctx, token); err != nil {
			t.Fatalf("code %d: %v", i+2, err)
		}
		h.post(issuance.SMS)
	}
	h.advance(h.cfg.Policy.CodeLifetime)
	h.invited()
	h.post(issuance.SMS)
	h.advance(11 * time.Minute)
	h.clerk.Channels = func() []issuance.ChannelState {
		return []issuance.ChannelState{h.down(issuance.Mail), {Channel: issuance.SMS}}
	}
	r := h.report(report.Daily, "")
	if got := r.Summary(); !strings.HasPrefix(got, "Mail is paused, 1 order has used up its codes") {
		t.Errorf("the report begins with %q", got)
	}
	if len(r.ToDo.Channels) != 1 || r.ToDo.Channels[0].Reason != "535 authentication failed" || r.ToDo.Delayed.Count() != 1 {
		t.Errorf("channels %+v, delayed %+v", r.ToDo.Channels, r.ToDo.Delayed)
	}
	if r.ToDo.Stuck.Count() != 1 || r.ToDo.Stuck.Items[0].Order != spent {
		t.Errorf("stuck: %+v, want %s", r.ToDo.Stuck, spent)
	}
	text := r.Text()
	if i, j := strings.Index(text, "Channels that are paused or slow"), strings.Index(text, "Nothing waits for approval"); i < 0 || i > j {
		t.Errorf("channels do not come first:\n%s", text)
	}
	h.advance(48 * time.Hour)
	if r = h.report(report.Daily, ""); r.ToDo.Unclaimed.Count() != 2 {
		t.Errorf("unclaimed: %+v", r.ToDo.Unclaimed)
	}
	h.advance(h.cfg.Policy.LinkLifetime)
	h.ok(h.Sweep(ctx))
	if r = h.report(report.Daily, ""); r.ToDo.Lapsed.Count() != 2 {
		t.Errorf("lapsed: %+v", r.ToDo.Lapsed)
	}
}
