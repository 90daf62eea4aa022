package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// The timers of the house.
const (
	sweepEvery = 5 * time.Second
	seenEvery  = 10 * time.Second // a crash loses the uses of so long
	// channelsEvery is how late staff are told of a channel that fails, beyond the time that a message may wait.
	channelsEvery = 30 * time.Second
	rootEvery     = time.Hour // looks whether the root's CRL is due
	// viewsEvery is how soon the views are compared when it is time to.
	viewsEvery = 10 * time.Second
	// secretsEvery is how soon a secret's file that was changed is noticed.
	secretsEvery = 5 * time.Second
	// reportsEvery is how late a report is at most.
	reportsEvery = 20 * time.Second
)

// run serves until ctx ends or something breaks that the house cannot do
// without. ready is called once every listener serves.
func (h *house) run(ctx context.Context, ready func()) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	part := func(name string, f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	for channel, c := range h.couriers {
		part("courier for "+string(channel), c.Run)
	}
	part("publisher", h.publisher.Run)
	part("refused signatures", h.tellUnsigned)
	if h.cfg.CA.OCSPPresign {
		part("OCSP answers", h.responder.Presign)
	}
	part("sweep", h.every(sweepEvery, "sweeping", h.registrar.Sweep))
	part("root CRL", h.every(rootEvery, "renewing the root's CRL", func(context.Context) error {
		return h.authority.RenewRootCRL(h.clock.Signing())
	}))
	part("views", h.every(viewsEvery, "comparing the views of revocation", h.monitor.Look))
	part("clock", h.every(clockEvery, "watching the clock", h.watchClock))
	part("refused sign-ins", h.every(refusedEvery, "counting refused sign-ins", h.tellRefused))
	part("first token", h.every(firstTokenEvery, "removing the first administrator's token", h.removeFirst))
	part("local tokens", h.every(localEvery, "answering a request for a token on this machine", h.answerLocal))
	part("receipts", h.every(time.Hour, "forgetting receipts", h.registrar.Forget))
	part("secrets", h.every(secretsEvery, "reading secrets again", h.reload.secrets))
	part("channels", h.every(channelsEvery, "watching the channels", h.watchChannels))
	part("reports", h.every(reportsEvery, "queueing the reports", h.reports.Queue))
	part("backups", h.every(backupsEvery, "making the backup that is due", h.backUp))
	part("high-water mark", h.every(markEvery, "noting the high-water mark", h.mark.note))
	part("audit chain", h.every(auditEvery, "checking the audit records", h.auditor.look))
	part("checkpoints", h.every(checkpointsEvery, "signing a checkpoint of the audit records", h.auditor.checkpoint))
	part("uses", h.every(seenEvery, "storing the uses of certificates", h.seen.Flush))
	for _, s := range h.listeners.all() {
		part("listener", s.Serve)
	}
	ready()
	debug.FreeOSMemory() // reading templates, texts and keys took several times what is kept
	collectLess()
	<-ctx.Done()
	all.Wait()
	h.keepSeen()
	h.keepRefused()
	h.keepClock()
	h.noteLast()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// keepSeen stores the uses that were counted since the timer's last round: those
// of the requests that the listeners have just finished are among them.
func (h *house) keepSeen() {
	ctx, cancel := context.WithTimeout(context.Background(), seenEvery)
	defer cancel()
	if err := h.seen.Flush(ctx); err != nil {
		h.log.Error("storing the uses of certificates", "error", err)
	}
}

// noteLast notes what happened since the timer's last round.
func (h *house) noteLast() {
	ctx, cancel := context.WithTimeout(context.Background(), seenEvery)
	defer cancel()
	if err := h.mark.note(ctx); err != nil {
		h.log.Error("noting the high-water mark", "error", err)
	}
}

// collectLess lets the heap grow to five times what is alive, instead of twice,
// before garbage is collected: it costs some tens of megabytes under load, and
// saves up to a quarter of the processor time. GOGC in the environment says otherwise.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// every returns a part that calls f now and then each interval, and logs what
// goes wrong: the next round may do better.
func (h *house) every(interval time.Duration, what string, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				h.log.Error(what, "error", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
