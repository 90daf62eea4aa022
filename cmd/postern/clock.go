package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/beevik/ntp"

	"github.com/postern-ca/postern/issuance"
)

const (
	clockEvery = time.Second     // a jump is on record this soon
	askLimit   = 3 * time.Second // for a time server's answer
)

// readings returns what reads now as the two clocks of the machine. A time that has
// a monotonic reading is the machine's own, whose runs have names; of any other, as
// tests have it, the wall clock is the steady one.
func readings(now func() time.Time) func() issuance.Reading {
	start := now()
	run, since := "", time.Duration(0)
	if start != start.Round(0) {
		run, since = machineRun()
	}
	return func() issuance.Reading {
		t := now()
		return issuance.Reading{Wall: t.Round(0).UTC(), Steady: since + t.Sub(start), Run: run}
	}
}

// startClock has the house go by a clock that is judged by what the database knows.
func (h *house) startClock(ctx context.Context, read func() issuance.Reading) error {
	h.clock = &issuance.Clock{Read: read, Off: h.cfg.Clock.MaxDowntime, Reach: h.cfg.CA.CRLLifetime / 2}
	h.now = h.clock.Now
	return issuance.BeginClock(ctx, h.store, h.clock)
}

// watchClock looks at the clock, and has what depends on it follow when another
// time is trusted. OCSP answers and server certificates follow by themselves.
func (h *house) watchClock(ctx context.Context) error {
	turns := h.clock.Turns()
	if err := h.registrar.WatchClock(ctx); err != nil {
		return err
	}
	if h.clock.Turns() == turns {
		return nil
	}
	h.monitor.Hurry()
	return errors.Join(h.authority.RenewRootCRL(h.clock.Signing()), h.publisher.Catch(ctx))
}

// timeServers returns what asks the servers of clock.check, nil if there are none.
func (h *house) timeServers() func(context.Context) []issuance.TimeAnswer {
	servers := h.cfg.Clock.Check
	if len(servers) == 0 {
		return nil
	}
	return func(context.Context) []issuance.TimeAnswer {
		out := make([]issuance.TimeAnswer, len(servers))
		var all sync.WaitGroup
		for i, server := range servers {
			all.Go(func() { out[i] = h.askServer(server) })
		}
		all.Wait()
		return out
	}
}

// askServer asks one server how far it is ahead of the wall clock.
func (h *house) askServer(server string) issuance.TimeAnswer {
	a := issuance.TimeAnswer{Server: server}
	answer, err := ntp.QueryWithOptions(server, ntp.QueryOptions{
		Timeout: askLimit, GetSystemTime: func() time.Time { wall, _ := h.clock.Wall(); return wall },
		Dialer: func(_, remote string) (net.Conn, error) { return net.DialTimeout("udp", remote, askLimit) },
	})
	if err == nil {
		err = answer.Validate()
	}
	if err != nil {
		a.Error = err.Error()
		return a
	}
	a.Offset = answer.ClockOffset
	return a
}

// keepClock keeps the time at the end, for the next start.
func (h *house) keepClock() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := h.registrar.KeepClock(ctx); err != nil {
		h.log.Error("keeping the time", "error", err)
	}
}

func (h *house) clockDoubted() float64 {
	if _, doubted := h.clock.Wall(); doubted {
		return 1
	}
	return 0
}

func (h *house) clockAhead() float64 {
	wall, _ := h.clock.Wall()
	return wall.Sub(h.clock.Now()).Round(time.Second).Seconds()
}
