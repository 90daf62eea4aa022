package storagetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

func testHistory(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	water := func() issuance.HighWater {
		return read(t, s, func(tx Reader) (issuance.HighWater, error) { return issuance.ReadHighWater(tx, start()) })
	}
	after := func(seq uint64, limit int, skip ...issuance.Verb) (seqs []string, last uint64) {
		view(t, s, func(tx Reader) error {
			found, n, err := tx.AuditAfter(seq, limit, skip...)
			last = n
			for _, r := range found {
				seqs = append(seqs, fmt.Sprint(r.Seq, " ", r.Verb))
			}
			return err
		})
		return seqs, last
	}
	same(t, "of nothing", issuance.HighWater{At: start(), CRLs: map[string]uint64{}}, water())
	if found, last := after(0, 10); len(found) > 0 || last != 0 {
		t.Errorf("records of nothing: %v, last %d", found, last)
	}
	verbs := []issuance.Verb{
		issuance.RequestVerb, issuance.AttemptVerb, issuance.AttemptVerb, issuance.VerifyVerb, issuance.IssueVerb,
	}
	update(t, s, func(tx Tx) error {
		for _, verb := range verbs {
			detail := map[string]string{"comment": `"verb":"attempt"`}
			if err := tx.AppendAudit(issuance.AuditRecord{At: start(), Verb: verb, Detail: detail}); err != nil {
				return err
			}
		}
		_, err := tx.NextCRLNumber("issuing-1")
		return err
	})
	revoke(t, s, revocation("01", "issuing-1", issuance.Revoked, 1))
	head := read(t, s, func(tx Reader) (issuance.AuditHead, error) { return tx.AuditHead(), nil })
	same(t, "high water", issuance.HighWater{
		At: start(), Change: 1, Audit: 5, Head: head.Link, CRLs: map[string]uint64{"issuing-1": 1},
	}, water())
	for _, c := range []struct {
		seq   uint64
		limit int
		skip  []issuance.Verb
		want  []string
		last  uint64
	}{
		{0, 10, nil, []string{"1 request", "2 attempt", "3 attempt", "4 verify", "5 issue"}, 5},
		{0, 10, []issuance.Verb{issuance.AttemptVerb, issuance.VerifyVerb}, []string{"1 request", "5 issue"}, 5},
		{1, 2, []issuance.Verb{issuance.AttemptVerb}, nil, 3},
		{3, 1, nil, []string{"4 verify"}, 4},
		{5, 10, nil, nil, 5},
		{1 << 60, 10, nil, nil, 1 << 60},
	} {
		got, last := after(c.seq, c.limit, c.skip...)
		same(t, fmt.Sprintf("after %d", c.seq), c.want, got)
		same(t, fmt.Sprintf("last after %d", c.seq), c.last, last)
	}
	raise := issuance.HighWater{Change: 100, Audit: 3, CRLs: map[string]uint64{"issuing-1": 1 << 40, "issuing-2": 7}}
	update(t, s, func(tx Tx) error { return tx.RaiseHistory(raise) })
	s = open()
	same(t, "raised", issuance.HighWater{At: start(), Change: 100, Audit: 5, Head: head.Link, CRLs: raise.CRLs}, water())
	revoke(t, s, revocation("02", "issuing-1", issuance.Revoked, 1))
	if n := read(t, s, Reader.LastChange); n != 101 {
		t.Errorf("the change after it has number %d, want 101", n)
	}
}

// testChain walks over records, over a gap that a record tells of, and to one that none does.
func testChain(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	walk := func() (w issuance.AuditWalk) {
		w.At.Link = issuance.NoLink
		for done := false; !done; {
			var visited []uint64
			view(t, s, func(tx Reader) (err error) {
				w, done, err = tx.WalkAudit(w, 2, func(h issuance.AuditHead) {
					visited = append(visited, h.Seq)
					if link, err := tx.AuditLink(h.Seq); err != nil || link != h.Link {
						t.Errorf("the link of record %d is %q, %v, and was %q on the way", h.Seq, link, err, h.Link)
					}
				})
				return err
			})
			if len(visited) > 2 {
				t.Errorf("a walk of two went over %v", visited)
			}
		}
		return w
	}
	add := func(r issuance.AuditRecord) { update(t, s, func(tx Tx) error { return tx.AppendAudit(r) }) }
	same(t, "over nothing", issuance.AuditWalk{At: issuance.AuditHead{Link: issuance.NoLink}}, walk())
	for range 5 {
		add(issuance.AuditRecord{At: start(), Verb: issuance.AddVerb})
	}
	w := walk()
	same(t, "over five", issuance.AuditWalk{
		At: read(t, s, func(tx Reader) (issuance.AuditHead, error) { return tx.AuditHead(), nil }), Began: 1, Records: 5,
	}, w)
	update(t, s, func(tx Tx) error { return tx.RaiseHistory(issuance.HighWater{Audit: 9}) })
	add(issuance.AuditRecord{At: start(), Verb: issuance.LoseVerb, Detail: map[string]string{"lost_from": "6", "lost_to": "9", "lost_link": "9f"}})
	if w := walk(); w.Fault != nil || w.Records != 6 || w.Lost != 4 || w.At.Seq != 10 || !slices.Equal(w.Gaps, []issuance.AuditGap{{From: 6, To: 9, Link: "9f"}}) {
		t.Errorf("over a gap that is on record: %+v", w)
	}
	// One that is there is not lost, whatever a record says.
	add(issuance.AuditRecord{At: start(), Verb: issuance.LoseVerb, Detail: map[string]string{"lost_from": "3", "lost_to": "10"}})
	if w := walk(); w.Fault != nil || w.Lost != 4 || len(w.Gaps) != 1 {
		t.Errorf("over a gap that is none: %+v", w)
	}
	update(t, s, func(tx Tx) error { return tx.RaiseHistory(issuance.HighWater{Audit: 12}) })
	add(issuance.AuditRecord{At: start(), Verb: issuance.AddVerb})
	if w := walk(); w.Fault == nil || w.Fault.Seq != 12 || w.Records != 7 {
		t.Errorf("over a gap that is not: %+v", w)
	}
}
