package mtls

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

const (
	maxAnswers = 10_000
	// failedFor is how long a source that failed is not asked about the same
	// certificate again: requests must not queue up behind its time-outs.
	failedFor = time.Second
	askLimit  = 4 * time.Second // of one question; below lookUpLimit, so that its outcome is kept
)

// verdict is what a source said of a certificate.
type verdict struct {
	err    error     // nil, or an *Error
	until  time.Time // it is used until then without asking again
	atMost time.Time // it is used until then if asking again fails
}

// answers keeps verdicts, and asks once for any number of requests that want the
// same one. The zero value is ready.
type answers struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]*kept
}

type kept struct {
	verdict
	asking chan struct{} // closed when the question is answered; nil if there is none
}

// question is what answers asks for.
type question struct {
	id  [sha256.Size]byte // of the certificate
	now func() time.Time
	ask func(context.Context) (verdict, error)
}

// get returns what is known, or asks. Its error is that of a verdict, or one of
// CodeUnavailable. A client that goes away does not end the question.
func (a *answers) get(ctx context.Context, q question) error {
	a.mu.Lock()
	k := a.at(q.id, q.now())
	if q.now().Before(k.until) {
		defer a.mu.Unlock()
		return k.err
	}
	if k.asking == nil {
		k.asking = make(chan struct{})
		go a.ask(context.WithoutCancel(ctx), k, q)
	}
	asking := k.asking
	a.mu.Unlock()
	select {
	case <-asking:
		a.mu.Lock()
		defer a.mu.Unlock()
		return k.err
	case <-ctx.Done():
		return unavailable("its status could not be checked in time", ctx.Err())
	}
}

// at returns the place for a certificate; the caller holds a.mu.
func (a *answers) at(id [sha256.Size]byte, now time.Time) *kept {
	if k := a.of[id]; k != nil {
		return k
	}
	if a.of == nil || len(a.of) >= maxAnswers {
		before := a.of
		a.of = make(map[[sha256.Size]byte]*kept)
		for id, k := range before {
			if len(a.of) < maxAnswers/2 && (k.asking != nil || now.Before(k.until)) {
				a.of[id] = k
			}
		}
	}
	k := &kept{}
	a.of[id] = k
	return k
}

func (a *answers) ask(ctx context.Context, k *kept, q question) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	v, err := q.ask(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	defer close(k.asking)
	defer func() { k.asking = nil }()
	now := q.now()
	switch {
	case err == nil:
		k.verdict = v
	case isRefusal(k.err):
		k.until = now.Add(failedFor) // what was refused stays so until the source says otherwise
	case now.Before(k.atMost):
		k.until = now.Add(failedFor)
	default:
		k.verdict = verdict{err: unavailable("the source of its status did not respond", err), until: now.Add(failedFor)}
	}
}

// isRefusal reports whether err is one of a source that could tell.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code != CodeUnavailable
}
