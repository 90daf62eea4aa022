package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// atOnce is how many certificates are revoked at the same time: the server commits
// simultaneous requests together.
const atOnce = 8

// run is one revocation of many certificates, while it runs.
type run struct {
	mass
	mu     sync.Mutex
	done   []string // serial numbers
	also   []string // of those that were taken along with one of them
	passed []string // found revoked, by somebody else unless they were taken along
	err    error    // the first
	shows  io.Writer
}

// all revokes m's certificates until one fails. It returns the serial numbers of those
// that it revoked, and how many somebody else had revoked meanwhile.
func (m mass) all(c *cobra.Command) (done []string, passed int, err error) {
	r := &run{mass: m, shows: io.Discard}
	if isTerminal(c.ErrOrStderr()) {
		r.shows = c.ErrOrStderr()
	}
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	inFlight, cutOff := finishing(ctx)
	defer cutOff()
	next := make(chan string)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for serial := range next {
				if r.one(ctx, inFlight, serial) != nil {
					stop()
				}
			}
		})
	}
	for _, certificate := range m.certificates {
		select {
		case next <- certificate.Serial:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	r.progress(true)
	if r.err == nil {
		r.err = c.Context().Err()
	}
	return r.outcome()
}

// finishTime is how long requests in flight have once no others are made.
const finishTime = 10 * time.Second

// finishing returns a context that ends finishTime after ctx: what was asked of the
// server is done, and is to be counted.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	after, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(finishTime, cancel) })
	return after, cancel
}

// outcome returns what was done and what was skipped; certificates revoked along with
// others count as done.
func (r *run) outcome() (done []string, passed int, err error) {
	done = []string{}
	mine := map[string]bool{}
	for _, serial := range slices.Concat(r.done, r.also) {
		if !mine[serial] {
			mine[serial], done = true, append(done, serial)
		}
	}
	for _, serial := range r.passed {
		if !mine[serial] {
			passed++
		}
	}
	return done, passed, r.err
}

// one revokes a certificate and keeps the result.
func (r *run) one(ctx, inFlight context.Context, serial string) error {
	record, before, err := r.post(ctx, inFlight, serial)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil && before:
		r.passed = append(r.passed, serial)
	case err == nil:
		r.done = append(r.done, serial)
		for _, also := range record.AlsoRevoked {
			r.also = append(r.also, also.Serial)
		}
	case r.err == nil:
		r.err = err
	}
	r.progress(false)
	return err
}

// post asks the server, some times if it is busy and ctx is not done. It returns the
// certificate, and whether it was revoked before.
func (r *run) post(ctx, inFlight context.Context, serial string) (record certificateRecord, before bool, err error) {
	path := certificatePath(serial)
	for try := range 5 {
		record = certificateRecord{}
		err = r.api.post(inFlight, path+"/revoke", r.body(), &record)
		switch issuance.KindOf(err) {
		case issuance.Conflict:
			if e := r.api.get(inFlight, path, nil, &record); e == nil && record.Status == string(issuance.Revoked) {
				return record, true, nil
			}
			return record, false, err
		case issuance.Limited, issuance.Unavailable:
			select {
			case <-time.After(time.Duration(try+1) * time.Second):
				continue
			case <-ctx.Done():
			}
		}
		return record, false, err
	}
	return record, false, err
}

// progress shows how far it is, on a terminal: at every hundredth, and at the end.
func (r *run) progress(end bool) {
	n, all := len(r.done)+len(r.passed), len(r.certificates)
	if all == 0 || !end && n%(all/100+1) != 0 {
		return
	}
	line := fmt.Sprintf("\rrevoked %d of %d", n, all)
	if end {
		line += "\n"
	}
	io.WriteString(r.shows, line) //nolint:errcheck // it is only shown
}
