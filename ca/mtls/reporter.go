package mtls

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	reportEvery  = 10 * time.Second
	reportLimit  = 5 * time.Second // of one request
	reportBatch  = 1000            // records of one request
	maxReported  = 10_000          // certificates that are counted at a time, some 250 bytes each
	mostReported = 1_000_000_000   // uses of one certificate in one report
)

// Reporter counts in memory which certificates were used and which were refused,
// and reports it to Postern, which adds it to the counts of its own listeners. A
// request waits only for a lock. Only certificates that our CAs have signed are
// counted, so strangers can neither raise a count nor fill the memory.
//
// Counts that cannot be delivered are kept and added to. If no answer arrives, the
// report is sent again; if Postern had received it, its uses count twice. A crash
// loses the counts that were not yet sent. The first and last times are correct in
// any case. Set the fields before the first use.
type Reporter struct {
	URL    string           // for example https://certs.internal:9444/auth-seen
	Secret func() string    // as in [Auth]
	Client *http.Client     // nil: one that follows no redirects
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: none

	mu      sync.Mutex
	pending map[string]*use // by serial number
	dropped uint64          // uses for which there was no room
	sending sync.Mutex
}

// use is what was seen of a certificate, as Postern reads it.
type use struct {
	Serial      string    `json:"serial"`
	Count       uint64    `json:"count,omitzero"`
	First       time.Time `json:"first,omitzero"`
	Last        time.Time `json:"last,omitzero"`
	Refused     uint64    `json:"refused,omitzero"`
	RefusedLast time.Time `json:"refused_last,omitzero"`
	RefusedCode string    `json:"refused_code,omitzero"`
}

func (u *use) add(v use) {
	if u.Count == 0 || v.Count > 0 && v.First.Before(u.First) {
		u.First = v.First
	}
	if v.Last.After(u.Last) {
		u.Last = v.Last
	}
	if v.Refused > 0 && !v.RefusedLast.Before(u.RefusedLast) {
		u.RefusedLast, u.RefusedCode = v.RefusedLast, v.RefusedCode
	}
	u.Count = min(u.Count+v.Count, mostReported)
	u.Refused = min(u.Refused+v.Refused, mostReported)
}

// reportCode returns the code of /auth for why a certificate of ours is refused,
// "" for what is no refusal of it.
func reportCode(err error) string {
	refusal, _ := errors.AsType[*Error](err)
	if refusal == nil {
		return ""
	}
	switch refusal.Code {
	case CodeRevoked, CodeIssuerRevoked:
		return "certificate-revoked"
	case CodeHeld:
		return "certificate-held"
	case CodeExpired:
		return "certificate-expired"
	case CodeEarly:
		return "certificate-early"
	case CodeUnknown:
		return "certificate-unknown"
	case CodeDisabled:
		return "service-disabled"
	case CodeNotAllowed:
		return "service-refused"
	}
	return ""
}

// saw counts one use of a certificate of ours, refused for err if there is one.
func (r *Reporter) saw(cert *x509.Certificate, err error) {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	at := now().UTC().Round(0)
	u := use{Serial: fmt.Sprintf("%034x", cert.SerialNumber)}
	if err == nil {
		u.Count, u.First, u.Last = 1, at, at
	} else if u.RefusedCode = reportCode(err); u.RefusedCode != "" {
		u.Refused, u.RefusedLast = 1, at
	} else {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(u)
}

// put adds u to what is pending, if there is room; the caller holds r.mu.
func (r *Reporter) put(u use) {
	p := r.pending[u.Serial]
	if p == nil && len(r.pending) >= maxReported {
		r.dropped += u.Count + u.Refused
		return
	}
	if p == nil {
		if r.pending == nil {
			r.pending = make(map[string]*use)
		}
		p = &use{Serial: u.Serial}
		r.pending[u.Serial] = p
	}
	p.add(u)
}

// Run reports every ten seconds until ctx is done. Then it tries once more, for up
// to five seconds, and returns the error of ctx.
func (r *Reporter) Run(ctx context.Context) error {
	for failure := ""; ; {
		ended := sleep(ctx, reportEvery)
		err := r.last(ctx, ended != nil)
		switch {
		case err == nil:
			failure = ""
		case err.Error() != failure: // once, not six times a minute
			failure = err.Error()
			r.log().Warn("reporting the uses of certificates", "url", r.URL, "error", err)
		}
		if ended != nil {
			return ended
		}
	}
}

// last is Flush, within the time of one request if it is the last one.
func (r *Reporter) last(ctx context.Context, ended bool) error {
	ctx = context.WithoutCancel(ctx)
	if !ended {
		return r.Flush(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, reportLimit)
	defer cancel()
	return r.Flush(ctx)
}

// Flush reports the counts now. After an error, they are kept.
func (r *Reporter) Flush(ctx context.Context) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	r.mu.Lock()
	pending, dropped := r.pending, r.dropped
	r.pending, r.dropped = nil, 0
	r.mu.Unlock()
	if dropped > 0 {
		r.log().Warn("too many certificates to count all of their uses", "uses", dropped)
	}
	all := make([]use, 0, len(pending))
	for _, u := range pending {
		all = append(all, *u)
	}
	for batch := range slices.Chunk(all, reportBatch) {
		if err := r.post(ctx, batch); err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, u := range all {
				r.put(u)
			}
			return fmt.Errorf("reporting the uses of %d certificates: %w", len(all), err)
		}
		all = all[len(batch):]
	}
	return nil
}

func (r *Reporter) post(ctx context.Context, batch []use) error {
	body, err := json.Marshal(struct {
		Uses []use `json:"uses"`
	}{batch})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reportLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := askPostern(r.Client, r.Secret, request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxOCSPAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusAccepted {
		return errors.New("the server answers " + response.Status)
	}
	var taken struct{ Unknown, Invalid int }
	if err := json.Unmarshal(answer, &taken); err != nil {
		return fmt.Errorf("reading the answer to a report: %w", err)
	}
	if taken.Unknown+taken.Invalid > 0 {
		r.log().Warn("Postern did not accept all uses of certificates: check the clocks",
			"unknown", taken.Unknown, "invalid", taken.Invalid)
	}
	return nil
}

func (r *Reporter) log() *slog.Logger {
	if r.Log != nil {
		return r.Log
	}
	return slog.New(slog.DiscardHandler)
}
