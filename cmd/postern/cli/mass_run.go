package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// atOnce is how many certificates are revoked at the same time: the server commits
// together what comes together.
const atOnce = 8

// run is one revocation of many certificates, while it runs.
type run struct {
	mass
	mu     sync.Mutex
	done   []string // serial numbers
	passed int      // found revoked by somebody else
	err    error    // the first
	shows  io.Writer
}

// all revokes m's certificates, until one cannot be. It returns the serial numbers
// of those that it revoked, and how many somebody else had revoked meanwhile.
func (m mass) all(c *cobra.Command) (done []string, passed int, err error) {
	r := &run{mass: m, done: []string{}, shows: io.Discard}
	if isTerminal(c.ErrOrStderr()) {
		r.shows = c.ErrOrStderr()
	}
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	next := make(chan string)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for serial := range next {
				if r.one(ctx, serial) != nil {
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
	return r.done, r.passed, r.err
}

// one revokes a certificate and keeps what came of it.
func (r *run) one(ctx context.Context, serial string) error {
	before, err := r.post(ctx, serial)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil && before:
		r.passed++
	case err == nil:
		r.done = append(r.done, serial)
	case r.err == nil:
		r.err = err
	}
	r.progress(false)
	return err
}

// post asks the server, some times if it is busy. It reports whether the certificate
// was revoked before.
func (r *run) post(ctx context.Context, serial string) (before bool, err error) {
	path := certificatePath(serial)
	for try := range 5 {
		var record certificateRecord
		err = r.api.post(ctx, path+"/revoke", r.body(), &record)
		switch issuance.KindOf(err) {
		case issuance.Conflict:
			if e := r.api.get(ctx, path, nil, &record); e == nil && record.Status == string(issuance.Revoked) {
				return true, nil
			}
			return false, err
		case issuance.Limited, issuance.Unavailable:
			select {
			case <-time.After(time.Duration(try+1) * time.Second):
				continue
			case <-ctx.Done():
			}
		}
		return false, err
	}
	return false, err
}

// progress shows how far it is, on a terminal: at every hundredth, and at the end.
func (r *run) progress(end bool) {
	n, all := len(r.done)+r.passed, len(r.certificates)
	if all == 0 || !end && n%(all/100+1) != 0 {
		return
	}
	line := fmt.Sprintf("\rrevoked %d of %d", n, all)
	if end {
		line += "\n"
	}
	io.WriteString(r.shows, line) //nolint:errcheck // it is only shown
}
