package crlsync

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
)

// round asks once, and keeps the answer if it is newer. It returns the minimum pause
// before the next request: none if the server waits.
func (s *Sync) round(ctx context.Context) (time.Duration, error) {
	s.lives()
	if err := s.look(); err != nil {
		return 0, err
	}
	a, err := s.ask(ctx)
	if err != nil {
		return a.retry, err
	}
	s.lives()
	pause := max(s.Interval*9/10+rand.N(s.Interval/5+1), a.retry)
	if a.same {
		s.lookForOutdated(false)
		if a.waited {
			pause = 0
		}
		return pause, nil
	}
	bundle, check, err := s.verify(ctx, a.text)
	if err != nil {
		return 0, err
	}
	changed, err := s.put(ctx, a.text, bundle, check)
	if err != nil {
		return 0, err
	}
	s.lookForOutdated(changed)
	first := s.etag == ""
	s.seen(a.text, bundle)
	s.etag = a.etag
	if a.etag != "" && (first || changed) {
		pause = 0 // now it can be asked to wait
	}
	return pause, nil
}

// put makes text the file's content if it differs and none of its CRLs is older.
func (s *Sync) put(ctx context.Context, text []byte, bundle *crlfile.Bundle, check crlfile.Check) (changed bool, err error) {
	err = s.place.locked(ctx, func() error {
		old, err := s.place.read(s.MaxSize)
		if err != nil || bytes.Equal(old, text) {
			return err
		}
		// A file that cannot be read holds nothing up: it must be replaced.
		check.Previous, _ = crlfile.Parse(old)
		if err := check.Follows(bundle); err != nil {
			s.seen(old, check.Previous) // it may be another process that put it there
			return err
		}
		changed = true
		return s.place.replace(text, s.Reload != "")
	})
	if err != nil || !changed {
		return false, err
	}
	s.Metrics.wrote()
	s.Log.Info("the file was replaced", "file", s.place.path, "crls", numbers(bundle), "lapses", bundle.Lapses().UTC())
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return true, nil
}

// numbers lists the CRLs of a bundle for the log.
func numbers(b *crlfile.Bundle) (list []string) {
	for _, l := range b.Lists {
		list = append(list, fmt.Sprintf("%s %v, %d revoked", l.Name(), l.Number, len(l.RevokedCertificateEntries)))
	}
	return list
}

// look reads what the file has. If somebody else changed or removed it, the bundle must
// be fetched as if it had never been there.
func (s *Sync) look() error {
	text, err := s.place.read(s.MaxSize)
	if err != nil || digest(text) == s.sum {
		return err
	}
	bundle, err := crlfile.Parse(text)
	if err != nil {
		bundle = nil // no server can use it
	}
	s.seen(text, bundle)
	return nil
}

// seen remembers what the file has now.
func (s *Sync) seen(text []byte, b *crlfile.Bundle) {
	s.etag, s.sum = "", digest(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDisk = b
	s.Metrics.has(b)
}
