package main_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/issuance"
)

// TestUsesAreAsDocumented has answers with and without uses checked against the
// OpenAPI document.
func TestUsesAreAsDocumented(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	_, _, serial := h.issued()
	want := map[string]any{}
	compare := func(what string) {
		t.Helper()
		var shown map[string]any
		h.get("/certificates/"+serial).into(t, &shown)
		var list struct{ Items []map[string]any }
		h.get("/certificates").into(t, &list)
		for _, got := range append(list.Items, shown) {
			uses := map[string]any{}
			for _, name := range []string{"first_used_at", "last_used_at", "uses", "refused_uses", "last_refused_at", "last_refusal"} {
				if value, ok := got[name]; ok {
					uses[name] = value
				}
			}
			if diff := cmp.Diff(want, uses); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
	}
	compare("never used")
	used := issuance.Usage{
		Serial: issuance.Serial(serial), First: h.now(), Last: h.now().Add(time.Minute), Count: 7,
		Refused: 2, RefusedLast: h.now().Add(time.Hour), RefusedCode: ca.CodeHeld,
	}
	h.ok(h.store.Update(t.Context(), func(tx issuance.Tx) error { return tx.PutUsage(used) }))
	want = map[string]any{
		"first_used_at": used.First.Format(time.RFC3339Nano), "last_used_at": used.Last.Format(time.RFC3339Nano), "uses": 7.0,
		"refused_uses": 2.0, "last_refused_at": used.RefusedLast.Format(time.RFC3339Nano), "last_refusal": string(ca.CodeHeld),
	}
	compare("used")
}
