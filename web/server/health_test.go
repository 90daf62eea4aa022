package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// TestStrangersRunNoChecks has many strangers ask at once, of whom some hang up.
func TestStrangersRunNoChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs, warnings atomic.Int32
		b := &Brief{Checks: []Check{
			{Name: "store", Run: func(ctx context.Context) error { runs.Add(1); return ctx.Err() }},
			{Name: "sms", Warns: true, Run: func(context.Context) error { warnings.Add(1); return issuance.ErrNotFound }},
		}}
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		for second := range int32(3) {
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					w := httptest.NewRecorder()
					b.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, ReadyPath, nil))
					if w.Code != http.StatusOK || w.Body.String() != "ready\n" {
						t.Errorf("answered with %d %q", w.Code, w.Body)
					}
				})
			}
			all.Wait()
			if runs.Load() != second+1 || warnings.Load() != 0 {
				t.Errorf("in second %d: the check ran %d times, the one that only warns %d times", second, runs.Load(), warnings.Load())
			}
			time.Sleep(briefFor)
		}
	})
}

func TestReadinessSaysWhatToDo(t *testing.T) {
	checks := []Check{
		{Name: "store", Run: func(context.Context) error { return nil }},
		{Name: "sms", Hint: "look at the provider", Run: func(context.Context) error { return issuance.ErrNotFound }},
	}
	r := httptest.NewRequest(http.MethodGet, "/readyz", nil)
	w := httptest.NewRecorder()
	Readiness{Checks: checks}.ServeHTTP(w, r)
	want := "not ready\nstore: ok\nsms: no such record\n  look at the provider\n"
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != want {
		t.Errorf("got %d %q, want %q", w.Code, w.Body, want)
	}
	w = httptest.NewRecorder()
	(&Brief{Checks: checks}).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "not ready\n" {
		t.Errorf("a stranger is told %d %q", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	r.Header.Set("Accept", "application/json")
	Readiness{Checks: checks[:1]}.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.String() != `{"ready":true,"checks":[{"name":"store","ready":true}]}`+"\n" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
