package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// channelStates returns how each channel is doing, mail first.
func (h *house) channelStates() []issuance.ChannelState {
	var all []issuance.ChannelState
	for _, channel := range []issuance.Channel{issuance.Mail, issuance.SMS} {
		courier := h.couriers[channel]
		if courier == nil {
			continue
		}
		s := courier.Status()
		state := issuance.ChannelState{Channel: channel, Paused: s.Paused, Since: s.FailingSince, Reason: cmp.Or(s.Reason, s.LastError)}
		if s.Paused {
			state.Since = s.Since
		}
		all = append(all, state)
	}
	return all
}

// watchChannels has staff told of a channel that fails, by the other one.
func (h *house) watchChannels(ctx context.Context) error {
	return h.registrar.WatchChannels(ctx, h.channelStates())
}

// channelChecks warn on /readyz of channels that fail: messages wait, and CRLs,
// OCSP and two-way TLS must not leave a load balancer because of it.
func (h *house) channelChecks() []server.Check {
	var checks []server.Check
	for _, channel := range []issuance.Channel{issuance.Mail, issuance.SMS} {
		checks = append(checks, server.Check{
			Name: string(channel), Warns: true, Hint: "see `postern report daily` and docs/operating.md, When messages do not get out",
			Run: func(ctx context.Context) error { return h.channelTrouble(ctx, channel) },
		})
	}
	return checks
}

func (h *house) channelTrouble(ctx context.Context, channel issuance.Channel) error {
	courier := h.couriers[channel]
	if s := courier.Status(); s.Paused {
		return errors.New("paused since " + s.Since.UTC().Format(time.RFC3339) + ": " + s.Reason)
	}
	return h.registrar.Read(ctx, func(tx issuance.Reader) error {
		late, err := issuance.Overdue(tx, channel, h.now())
		if err == nil && len(late) > 0 {
			err = errors.New("messages have waited for longer than 10 minutes: " + cmp.Or(late[0].LastError, "none has been tried yet"))
		}
		return err
	})
}
