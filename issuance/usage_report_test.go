package issuance_test

import (
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// put has a certificate in the register from the tenth second on.
func (h *seenHouse) put(serial issuance.Serial, status issuance.Status) {
	h.t.Helper()
	if err := h.Store.Update(h.t.Context(), func(tx issuance.Tx) error {
		return tx.PutCertificate(issuance.Certificate{Serial: serial, Status: status, NotBefore: at(100_000), NotAfter: at(900_000)})
	}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *seenHouse) report(all ...issuance.Usage) issuance.UsageReport {
	h.t.Helper()
	r, err := h.Report(h.t.Context(), all)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func TestReportsAddUp(t *testing.T) {
	h := newSeen(t)
	h.put("a", issuance.Active)
	h.put("b", issuance.Revoked)
	h.put("c", issuance.Abandoned)
	h.see(200_000, "a", "")
	berlin := time.FixedZone("CET", 3600)
	got := h.report(
		issuance.Usage{Serial: "a", Count: 3, First: at(150_000).In(berlin), Last: at(199_000).In(berlin)},
		issuance.Usage{Serial: "b", Refused: 2, RefusedLast: at(200_060), RefusedCode: "certificate-revoked"}, // its clock is ahead
		issuance.Usage{Serial: "c", Count: 1, First: at(150_000), Last: at(150_000)},
		issuance.Usage{Serial: "d", Count: 1, First: at(150_000), Last: at(150_000)},
	)
	if want := (issuance.UsageReport{Taken: 2, Unknown: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	h.flushed()
	h.want(issuance.Usage{Serial: "a", Count: 4, First: at(150_000), Last: at(200_000)})
	h.want(issuance.Usage{Serial: "b", Refused: 2, RefusedLast: at(200_000), RefusedCode: "certificate-revoked"})
	h.want(issuance.Usage{Serial: "c"})
	h.want(issuance.Usage{Serial: "d"})
	if want := (issuance.SeenTotals{Accepted: 4, Refused: 2}); h.Totals() != want {
		t.Errorf("got %+v, want %+v", h.Totals(), want)
	}
}

// TestWhatCannotHaveBeenIsNotCounted at a time when the certificate is a week old.
func TestWhatCannotHaveBeenIsNotCounted(t *testing.T) {
	h := newSeen(t)
	h.put("a", issuance.Active)
	h.clock.Store(at(700_000).UnixNano())
	ok := at(200_000)
	for name, u := range map[string]issuance.Usage{
		"nothing":                     {},
		"uses at no time":             {Count: 1},
		"a use without an end":        {Count: 1, First: ok},
		"backwards":                   {Count: 1, First: ok, Last: ok.Add(-time.Second)},
		"of the future":               {Count: 1, First: ok, Last: at(700_301)},
		"before it was made":          {Count: 1, First: at(99_699), Last: ok},
		"times of no use":             {First: ok, Last: ok, Refused: 1, RefusedLast: ok, RefusedCode: "x"},
		"more than anybody can":       {Count: 1_000_000_001, First: ok, Last: ok},
		"so many that they are none":  {Count: 1<<64 - 1, First: ok, Last: ok, Refused: 1, RefusedLast: ok, RefusedCode: "x"},
		"a refusal without a reason":  {Refused: 1, RefusedLast: ok},
		"a refusal at no time":        {Refused: 1, RefusedCode: "x"},
		"a refusal of the future":     {Refused: 1, RefusedCode: "x", RefusedLast: at(700_301)},
		"a reason without a refusal":  {Count: 1, First: ok, Last: ok, RefusedCode: "x"},
		"a time without a refusal":    {Count: 1, First: ok, Last: ok, RefusedLast: ok},
		"more refusals than can come": {Refused: 1_000_000_001, RefusedCode: "x", RefusedLast: ok},
	} {
		u.Serial = "a"
		if got := h.report(u); got != (issuance.UsageReport{Invalid: 1}) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	h.flushed()
	h.want(issuance.Usage{Serial: "a"})
	for _, edge := range []issuance.Usage{
		{Serial: "a", Count: 1, First: at(99_700), Last: at(700_300)},
		{Serial: "a", Count: 1_000_000_000, First: ok, Last: ok},
	} {
		if got := h.report(edge); got.Taken != 1 {
			t.Errorf("%+v: got %+v", edge, got)
		}
	}
}
