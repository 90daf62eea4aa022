package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/issuance"
)

const (
	monitorEvery = time.Hour
	monitorAgain = time.Minute // while views differ
	monitorPause = time.Second // in which views that are behind catch up
	monitorTries = 3
	monitorAsked = 5000 // certificates of each status that OCSP and the listener are asked about
	monitorNamed = 3    // differences in an alert
)

// Monitor compares the views of revocation with the register: each CRL, read by the
// standard library and not by what wrote it, OCSP, and the two-way TLS listener's
// answer. What differs makes it unhealthy, is logged and told, and all views are made
// anew from the register's records.
//
// The caller sets the fields. The methods may be called from any goroutine, Look
// from one at a time.
type Monitor struct {
	Store     issuance.Store[issuance.FeedReader, issuance.Feed]
	Publisher *Publisher
	Responder *Responder
	// Check is what the listener says of a client certificate.
	Check func(context.Context, *x509.Certificate) error
	// Alert tells staff what has differed, and what came of it.
	Alert func(ctx context.Context, text string) error
	Now   func() time.Time
	Log   *slog.Logger

	pause       time.Duration // 0: monitorPause
	differing   atomic.Pointer[string]
	differences atomic.Uint64
	checked     atomic.Int64 // Unix time of the last comparison
	hurry       atomic.Bool
	next        time.Time
}

// MonitorStats counts since the process began.
type MonitorStats struct {
	Differences uint64    // that were found
	Checked     time.Time // when views were compared last; zero: never
}

// Stats returns what was found.
func (m *Monitor) Stats() MonitorStats {
	s := MonitorStats{Differences: m.differences.Load()}
	if at := m.checked.Load(); at != 0 {
		s.Checked = time.Unix(at, 0)
	}
	return s
}

// Healthy returns nil unless a view differs from the register, or else an error that names it.
func (m *Monitor) Healthy() error {
	if text := m.differing.Load(); text != nil {
		return errors.New(*text)
	}
	return nil
}

// Hurry has the next Look compare, whenever it was done last.
func (m *Monitor) Hurry() { m.hurry.Store(true) }

// Look compares if it is time to: each hour, each minute while views differ, and
// after Hurry. It is called now and then.
func (m *Monitor) Look(ctx context.Context) error {
	now := m.Now()
	early := now.Before(m.next) && !now.Before(m.next.Add(-monitorEvery)) // or the clock was set back
	if early && !m.hurry.Swap(false) {
		return nil
	}
	found, err := m.lasting(ctx)
	if err != nil {
		return err
	}
	m.next = now.Add(monitorEvery)
	m.checked.Store(now.Unix())
	if len(found) == 0 {
		m.differing.Store(nil)
		return nil
	}
	m.next = now.Add(monitorAgain)
	return m.mend(ctx, found)
}

// mend says what was found, and has the views made anew.
func (m *Monitor) mend(ctx context.Context, found []string) error {
	text := summary(found)
	m.differing.Store(&text)
	m.differences.Add(uint64(len(found)))
	for _, f := range found[:min(len(found), 100)] {
		m.Log.Error("a view differs from the register", "difference", f)
	}
	err := m.Publisher.Remake(ctx)
	left, failed := m.lasting(ctx)
	outcome := "The views were made anew from the register and agree now."
	switch {
	case err != nil || failed != nil:
		outcome = "The views could not be made anew; see the log."
	case len(left) > 0:
		text = summary(left)
		m.differing.Store(&text)
		outcome = "The views were made anew from the register, and still differ."
	default:
		m.differing.Store(nil)
		m.Log.Info("the views agree with the register again")
	}
	return errors.Join(err, failed, m.Alert(ctx, "Views of revocation differed from the register: "+summary(found)+". "+outcome))
}

// summary names the first of what was found.
func summary(found []string) string {
	text := strings.Join(found[:min(len(found), monitorNamed)], "; ")
	if more := len(found) - monitorNamed; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// lasting returns the differences that are still there when the views have had time
// to follow: those of a change a moment ago are none.
func (m *Monitor) lasting(ctx context.Context) (found []string, err error) {
	pause := m.pause
	if pause == 0 {
		pause = monitorPause
	}
	for try := range monitorTries {
		again, err := m.compare(ctx)
		if err != nil {
			return nil, err
		}
		if try > 0 {
			again = slices.DeleteFunc(again, func(d string) bool { return !slices.Contains(found, d) })
		}
		if found = again; len(found) == 0 {
			return nil, nil
		}
		if try < monitorTries-1 {
			sleep(ctx, pause, nil)
		}
	}
	return found, ctx.Err()
}
