package crlsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
)

// answer is what a server said.
type answer struct {
	text   []byte // nil if same
	etag   string
	same   bool          // it has what we have
	waited bool          // it waited for a change, or would have
	retry  time.Duration // when it wants to be asked again; 0: it did not say
	cut    time.Duration // after this time somebody on the way may have ended a wait; 0: nobody
}

// longestTag is how long an entity tag may be, in bytes.
const longestTag = 256

// ask asks for a bundle other than the one in the file. A wait that was cut off on the
// way is not a failure: the server is asked again at once, without a wait.
func (s *Sync) ask(ctx context.Context) (answer, error) {
	wait := time.Duration(0)
	if s.etag != "" {
		wait = s.patience.Wait()
	}
	a, err := s.get(ctx, s.URL, s.etag, wait)
	if err != nil && s.patience.CutOff(a.cut) && ctx.Err() == nil {
		why, after := err, a.cut
		if a, err = s.get(ctx, s.URL, s.etag, 0); err == nil {
			s.patience.Answered()
			a.waited = s.patience.Wait() > 0 // so that it is asked to wait again at once
			s.Log.Info("a wait for a change was cut off by a proxy: the next ones are shorter", "after",
				after.Round(time.Millisecond), "wait", s.patience.Wait(), "cause", why)
			return a, nil
		}
	}
	if err != nil {
		s.patience.CutOff(0)
		return a, err
	}
	s.patience.Answered()
	return a, nil
}

// get requests address. With etag, it asks for a different version, and with wait, the
// server waits until there is one.
func (s *Sync) get(ctx context.Context, address, etag string, wait time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+s.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, fmt.Errorf("making a request: %w", err)
	}
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	if wait > 0 {
		r.Header.Set("Prefer", "wait="+strconv.Itoa(int(wait/time.Second)))
	}
	began := time.Now()
	response, err := s.Client.Do(r)
	if err != nil {
		return answer{cut: time.Since(began)}, s.broken(r.URL, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read as far as it is wanted
	a := answer{etag: response.Header.Get("ETag"), retry: retryAfter(response.Header)}
	if len(a.etag) > longestTag {
		a.etag = "" // a server would refuse the next question for its length, for ever
	}
	// One that says it waits and does not would be asked without a pause.
	a.waited = strings.Contains(response.Header.Get("Preference-Applied"), "wait") && time.Since(began) >= min(time.Second, wait)/2
	if crlfile.MayBeCutOff(response.StatusCode) {
		a.cut = time.Since(began)
	}
	switch {
	case response.StatusCode == http.StatusNotModified && etag != "":
		a.same, a.etag = true, etag
		return a, nil
	case response.StatusCode != http.StatusOK:
		return a, failf(reasonStatus, "%s answers with status %s", r.URL.Host, response.Status)
	case response.ContentLength > s.MaxSize:
		return a, s.tooLarge(r.URL)
	}
	if a.text, err = io.ReadAll(io.LimitReader(response.Body, s.MaxSize+1)); err != nil {
		return a, s.broken(r.URL, err)
	}
	if int64(len(a.text)) > s.MaxSize {
		return a, s.tooLarge(r.URL)
	}
	return a, nil
}

func (s *Sync) tooLarge(u *url.URL) error {
	return failf(reasonTooLarge, "%s sends more than %d bytes", u.Host, s.MaxSize)
}

// broken says why the answer is not complete.
func (s *Sync) broken(u *url.URL, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return failf(reasonSlow, "%s did not respond in time: %w", u.Host, err)
	}
	return failf(reasonUnreachable, "asking %s: %w", u.Host, err)
}

// retryAfter returns the pause that a server asks for, in seconds (RFC 9110,
// section 10.2.3), at most a minute; 0 for none.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, time.Minute)
}
