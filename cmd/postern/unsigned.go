package main

import (
	"context"

	"github.com/postern-ca/postern/ca/lint"
)

// unsigned keeps what the CA did not sign until staff are told: whoever asked for the
// signature does not wait for that.
type unsigned chan *lint.Refusal

// maxUnsigned is how many wait. Those beyond are in the log.
const maxUnsigned = 64

// refused logs what was not signed because of a lint, and has staff told.
func (h *house) refused(r *lint.Refusal) {
	h.log.Error("not signed: a lint failed", "kind", string(r.Kind), "lint", r.Lint, "reason", r.Reason)
	select {
	case h.unsigned <- r:
	default:
	}
}

// tellUnsigned tells staff of what was not signed, until ctx ends. Of the same lint and
// kind they are told once an hour.
func (h *house) tellUnsigned(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-h.unsigned:
			h.tellOf(ctx, r)
		}
	}
}

// tellOf tells staff of one refusal.
func (h *house) tellOf(ctx context.Context, r *lint.Refusal) {
	err := h.registrar.Alarm(ctx, "lint/"+string(r.Kind)+"/"+r.Lint,
		"Postern refused to sign something that is not as it should be: "+r.Error()+
			". Nothing like it is signed until the cause is found: look at the last change of the configuration or of the program.")
	if err != nil {
		h.log.Error("telling staff of a refused signature", "error", err)
	}
}
