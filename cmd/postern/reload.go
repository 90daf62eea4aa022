package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// reloader has a house that runs take over what can be changed without a restart:
// how messages are sent, proxies' secrets, certificates, and the log's level.
type reloader struct {
	house *house
	load  func() (*config.Config, error) // reads the whole configuration; nil: secrets alone are read again
	level *slog.LevelVar                 // of the log; nil: it stays

	mu    sync.Mutex
	used  *config.Config // what the house goes by
	read  *config.Config // what was read last: other than used in what needs a restart
	fault string         // what was wrong when secrets were read last
}

// secrets reads the secrets that came from files again and takes over what changed.
func (r *reloader) secrets(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, err := r.read.Reread()
	if err == nil && len(r.read.Changed(next)) > 0 {
		err = r.take(ctx, next)
	}
	if err == nil {
		r.fault = ""
	} else if r.fault != err.Error() { // once, and not with each round
		r.fault = err.Error()
		return err
	}
	return nil
}

// all reads everything again: the configuration, secrets, certificates.
func (r *reloader) all(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.house.shown.reread()
	if r.load == nil {
		return nil
	}
	next, err := r.load()
	if err != nil {
		return err
	}
	return r.take(ctx, next)
}

// take has the house go by next in what can be changed, and says what cannot. On
// an error the house goes by what it went by before.
func (r *reloader) take(ctx context.Context, next *config.Config) error {
	now, restart := r.sort(r.used.Changed(next), next)
	merged := r.used.With(next, now)
	configured, err := newSenders(merged, r.house.outbox, r.house.now)
	if err != nil {
		return err
	}
	if err := r.house.proxies.set(r.house, merged); err != nil {
		return err
	}
	if r.level != nil {
		setLevel(r.level, merged.Log)
	}
	news := len(r.read.Changed(next)) > 0
	r.used, r.read = merged, next
	if len(restart) > 0 && news {
		r.house.log.Warn("these settings need a restart", "keys", strings.Join(restart, ", "))
	}
	if len(now) > 0 {
		r.house.log.Info("new settings applied", "keys", strings.Join(now, ", "))
	}
	if !slices.ContainsFunc(now, sending) {
		return nil
	}
	return r.house.sendBy(ctx, configured)
}

// sort divides the keys that have changed into those that can be taken over now,
// and those that need a restart.
func (r *reloader) sort(changed []string, next *config.Config) (now, restart []string) {
	for _, key := range changed {
		switch {
		case sending(key), key == "log.level" && r.level != nil, key == "auth.callers" && r.house.proxies.canBe(next):
			now = append(now, key)
		default:
			restart = append(restart, key)
		}
	}
	return now, restart
}

// sending reports whether a key says how messages are sent.
func sending(key string) bool {
	switch key {
	case "mail.provider", "sms.provider", "sms.countries":
		return false
	}
	return strings.HasPrefix(key, "mail.") || strings.HasPrefix(key, "sms.")
}

// sendBy has every courier send by the sender for its channel from now on, and
// tries at once what could not be sent before.
func (h *house) sendBy(ctx context.Context, all senders) (err error) {
	for channel, courier := range h.couriers {
		courier.SetSender(all[channel])
		err = errors.Join(err, h.registrar.Hasten(ctx, channel))
		courier.Hurry()
	}
	return err
}
