package mtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
)

const (
	maxWait     = crlfile.LongestWait    // of one request for a change
	waitGrace   = 30 * time.Second       // for the answer after that
	maxBundle   = 128 << 20              // bytes; two million entries
	firstPause  = 100 * time.Millisecond // after a failure
	maxPause    = 5 * time.Second        // after many
	leastPause  = 50 * time.Millisecond  // between any two requests
	pollEvery   = time.Second            // of a server that does not wait
	mostPatient = time.Minute            // with Retry-After
	longestTag  = 256                    // bytes of an entity tag
)

// answer is what a request for the bundle came to.
type answer struct {
	etag  string        // to ask with next
	pause time.Duration // before the next request
	cut   time.Duration // after this time somebody on the way may have ended a wait; 0: nobody
}

// followURL asks again and again for another bundle than it has.
func (c *CRLs) followURL(ctx context.Context) error {
	client := c.Client
	if client == nil {
		client = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
		defer client.CloseIdleConnections()
	}
	etag, failures := "", 0
	patience := crlfile.Patience{Most: c.longestWait()}
	for {
		got, err := c.ask(ctx, client, etag, patience.Wait())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause := got.pause
		switch {
		case err == nil:
			patience.Answered()
			etag, failures = got.etag, 0
			c.learn(ctx, client)
		case etag != "" && patience.CutOff(got.cut): // asked again at once, without a wait
			c.log().Info("a wait for CRLs was cut off on the way", "url", c.URL, "after", got.cut.Round(time.Millisecond), "cause", err)
			pause = 0
		default:
			patience.CutOff(0)
			failures++
			pause = max(pause, backoff(failures))
			c.log().Warn("following the CRLs", "url", c.URL, "failures", failures, "error", err)
		}
		if err := sleep(ctx, max(pause, leastPause)); err != nil {
			return err
		}
	}
}

// longestWait is less than MaxSilence: an answer has to come before the silence counts.
func (c *CRLs) longestWait() time.Duration {
	if c.MaxSilence > 0 {
		return max(min(maxWait, c.MaxSilence/2).Truncate(time.Second), time.Second)
	}
	return maxWait
}

// ask makes one request. A bundle that is refused keeps the old entity tag: it is
// asked for again, after a pause.
func (c *CRLs) ask(ctx context.Context, client *http.Client, etag string, wait time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+waitGrace)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return answer{}, fmt.Errorf("asking for the bundle of CRLs: %w", err)
	}
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
		if wait > 0 {
			request.Header.Set("Prefer", "wait="+strconv.Itoa(int(wait/time.Second)))
		}
	}
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return answer{cut: time.Since(began)}, fmt.Errorf("asking for the bundle of CRLs: %w", err)
	}
	defer response.Body.Close()
	got := answer{etag: etag, pause: pauseOf(response.Header)}
	if crlfile.MayBeCutOff(response.StatusCode) {
		got.cut = time.Since(began)
	}
	switch response.StatusCode {
	case http.StatusNotModified:
		if etag == "" {
			return got, errors.New("asking for the bundle of CRLs: the server says that what was never read is unchanged")
		}
		c.confirm()
		return got, nil
	case http.StatusOK:
		data, err := io.ReadAll(io.LimitReader(response.Body, maxBundle+1))
		if err != nil {
			return got, fmt.Errorf("reading the bundle of CRLs: %w", err)
		}
		if len(data) > maxBundle {
			return got, fmt.Errorf("the bundle of CRLs has more than %d bytes", maxBundle)
		}
		if err := c.take(data); err != nil {
			return got, err
		}
		got.etag = response.Header.Get("ETag")
		switch {
		case len(got.etag) > longestTag:
			got.etag = "" // a server would refuse the next request for its length, for ever
		case got.etag != "" && got.etag != etag:
			got.pause = 0 // the next request can wait for a change
		}
		return got, nil
	}
	return got, fmt.Errorf("asking for the bundle of CRLs: the server answers %s", response.Status)
}

// pauseOf returns how long to wait before asking again: not at all if the server
// waits itself, else as it says, else a second.
func pauseOf(h http.Header) time.Duration {
	if seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16); err == nil {
		return min(time.Duration(seconds)*time.Second, mostPatient)
	}
	if h.Get("Preference-Applied") != "" {
		return 0
	}
	return pollEvery
}

// backoff doubles from firstPause to maxPause, and spreads the services that lost
// the same server at the same moment.
func backoff(failures int) time.Duration {
	pause := min(firstPause<<min(failures-1, 10), maxPause)
	return pause/2 + rand.N(pause/2)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
