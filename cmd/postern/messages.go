package main

import (
	"context"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/admin"
)

// retryWait is how long staff wait for what comes of a message that they send
// again: a provider that takes longer is told of later.
const retryWait = 20 * time.Second

// channels is what the admin API knows of how messages leave.
func (h *house) channels() admin.Channels {
	return admin.Channels{Retry: h.retry, Test: h.test, Paused: h.paused}
}

// retry looks at the secrets again, which may have been corrected just now, sends
// a message again, paused channel or not, and returns what came of it.
func (h *house) retry(ctx context.Context, by issuance.Actor, id issuance.NoticeID) (issuance.Notice, error) {
	before, err := h.notice(ctx, id)
	if err != nil || h.couriers[before.Channel] == nil {
		return h.registrar.RetryNotice(ctx, by, id) // which says that there is none
	}
	courier := h.couriers[before.Channel]
	if err := h.reload.secrets(ctx); err != nil {
		h.log.Error("reading secrets again", "error", err)
	}
	wait := courier.Follow(id) // from here on: what the secrets of before were refused is no answer
	if n, err := h.registrar.RetryNotice(ctx, by, id); err != nil {
		wait(ended())
		if after, e := h.notice(ctx, id); e == nil && before.State == issuance.Pending && after.State == issuance.Accepted {
			return after, nil // that the secrets were right again was enough
		}
		return n, err
	}
	courier.Hurry()
	limited, cancel := context.WithTimeout(ctx, retryWait)
	defer cancel()
	wait(limited)
	return h.notice(ctx, id)
}

// ended returns a context that is over.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (h *house) notice(ctx context.Context, id issuance.NoticeID) (n issuance.Notice, err error) {
	err = h.registrar.Read(ctx, func(tx issuance.Reader) error {
		n, err = tx.Notice(id)
		return err
	})
	return n, err
}

// test sends a test message by the sender that is configured at the moment.
func (h *house) test(ctx context.Context, by issuance.Actor, to string) (admin.Tested, error) {
	channel, to, err := h.registrar.Trial(ctx, by, to)
	if err != nil {
		return admin.Tested{}, err
	}
	if err := h.reload.secrets(ctx); err != nil {
		h.log.Error("reading secrets again", "error", err)
	}
	id, err := h.couriers[channel].Trial(ctx, to, issuance.Languages()[0])
	tested := admin.Tested{Channel: channel, To: to, Accepted: err == nil, ProviderID: id}
	if err != nil {
		tested.Problem = err.Error()
	}
	return tested, nil
}

func (h *house) paused(channel issuance.Channel) string {
	if c := h.couriers[channel]; c != nil && c.Status().Paused {
		return c.Status().Reason
	}
	return ""
}
