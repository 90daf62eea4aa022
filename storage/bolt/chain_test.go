package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

func opened(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// chained opens a store with n audit records, appended some at a time.
func chained(t testing.TB, n int) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if _, err := seal.Create(path); err != nil {
		t.Fatal(err)
	}
	key, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	s := opened(t, Options{Path: filepath.Join(filepath.Dir(path), "postern.db"), Key: key, Log: slog.New(slog.DiscardHandler)})
	for made := 0; made < n; {
		some := min(1+made%7, n-made)
		if n > 1000 {
			some = 500
		}
		err := s.Update(t.Context(), func(tx issuance.Tx) error {
			for i := range some {
				if err := tx.AppendAudit(issuance.AuditRecord{
					At: time.Unix(1_800_000_000, 0), Verb: issuance.ApproveVerb, Order: issuance.OrderID(fmt.Sprint("o", i)),
					Detail: map[string]string{"n": fmt.Sprint(made + i), "prev": "x"},
				}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		made += some
	}
	return s
}

// walked checks the whole chain of a transaction, some records at a time.
func walked(t testing.TB, b *bbolt.Tx, s *Store) issuance.AuditWalk {
	t.Helper()
	w := issuance.AuditWalk{At: issuance.AuditHead{Link: issuance.NoLink}}
	for done := false; !done; {
		var err error
		if w, done, err = (&tx{b: b, s: s}).WalkAudit(w, 64, func(issuance.AuditHead) {}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// tampering changes something of the audit records' bucket with the numbers 1 to n,
// and says what.
type tampering func(r *rand.Rand, b *bbolt.Bucket, n uint64) string

func keyOf(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, ^seq) }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func changeRecord(r *rand.Rand, b *bbolt.Bucket, n uint64) string {
	seq := 1 + r.Uint64N(n)
	raw := bytes.Clone(b.Get(keyOf(seq)))
	at := r.IntN(len(raw))
	raw[at] ^= byte(1 + r.IntN(255))
	must(b.Put(keyOf(seq), raw))
	return fmt.Sprintf("byte %d of record %d changed", at, seq)
}

func lengthenRecord(r *rand.Rand, b *bbolt.Bucket, n uint64) string {
	seq := 1 + r.Uint64N(n)
	must(b.Put(keyOf(seq), append(bytes.Clone(b.Get(keyOf(seq))), ' ')))
	return fmt.Sprintf("record %d is longer", seq)
}

func deleteRecord(r *rand.Rand, b *bbolt.Bucket, n uint64) string {
	seq := 1 + r.Uint64N(n)
	must(b.Delete(keyOf(seq)))
	return fmt.Sprintf("record %d deleted", seq)
}

func swapRecords(r *rand.Rand, b *bbolt.Bucket, n uint64) string {
	one := 1 + r.Uint64N(n)
	other := 1 + (one+r.Uint64N(n-1))%n
	first, second := bytes.Clone(b.Get(keyOf(one))), bytes.Clone(b.Get(keyOf(other)))
	must(errors.Join(b.Put(keyOf(one), second), b.Put(keyOf(other), first)))
	return fmt.Sprintf("records %d and %d swapped", one, other)
}

// insertRecord puts a record in between: those behind it get the next number.
func insertRecord(r *rand.Rand, b *bbolt.Bucket, n uint64) string {
	seq := 1 + r.Uint64N(n+1)
	for i := n; i >= seq; i-- {
		must(b.Put(keyOf(i+1), bytes.Clone(b.Get(keyOf(i)))))
	}
	must(b.Put(keyOf(seq), fmt.Appendf(nil, `{"prev":%q,"seq":%d,"verb":"revoke"}`, issuance.NoLink, seq)))
	if r.IntN(2) == 0 {
		must(b.SetSequence(n + 1))
	}
	return fmt.Sprintf("a record inserted as %d", seq)
}

// insertKey puts something below a key that no number makes.
func insertKey(r *rand.Rand, b *bbolt.Bucket, n uint64) string {
	seq := 1 + r.Uint64N(n)
	must(b.Put(append(keyOf(seq), 0), b.Get(keyOf(seq))))
	return fmt.Sprintf("a key inserted behind record %d", seq)
}

func cutEnd(r *rand.Rand, b *bbolt.Bucket, n uint64) string {
	left := r.Uint64N(n)
	for i := left + 1; i <= n; i++ {
		must(b.Delete(keyOf(i)))
	}
	if r.IntN(2) == 0 {
		must(b.SetSequence(left))
	}
	return fmt.Sprintf("cut behind record %d", left)
}

func cutBeginning(r *rand.Rand, b *bbolt.Bucket, n uint64) string {
	gone := 1 + r.Uint64N(n)
	for i := uint64(1); i <= gone; i++ {
		must(b.Delete(keyOf(i)))
	}
	return fmt.Sprintf("cut before record %d", gone+1)
}

// TestAThousandTamperingsAreFound changes the records in the file in a thousand
// ways, each in a transaction that is taken back, and looks at the untouched ones between.
func TestAThousandTamperingsAreFound(t *testing.T) {
	const n = 150
	s := chained(t, n)
	ways := []tampering{changeRecord, lengthenRecord, deleteRecord, swapRecords, insertRecord, insertKey, cutEnd, cutBeginning}
	r := rand.New(rand.NewPCG(1, 2))
	found, alarms := 0, 0
	for i := range 1000 {
		b, err := s.db.Begin(true)
		if err != nil {
			t.Fatal(err)
		}
		if w := walked(t, b, s); w.Fault != nil || w.Records != n {
			alarms++
			t.Errorf("the untouched records: %v, %d of %d", w.Fault, w.Records, n)
		}
		what := ways[i%len(ways)](r, b.Bucket([]byte("audit")), n)
		if w := walked(t, b, s); w.Fault != nil {
			found++
		} else {
			t.Errorf("not found: %s", what)
		}
		must(b.Rollback())
	}
	t.Logf("of 1000 tamperings %d were found, with %d false alarms", found, alarms)
}

// TestAFaultIsNamed asks for the number of the first record that is wrong.
func TestAFaultIsNamed(t *testing.T) {
	s := chained(t, 20)
	for what, test := range map[string]struct {
		do   func(b *bbolt.Bucket)
		want uint64
	}{
		"changed":     {func(b *bbolt.Bucket) { must(b.Put(keyOf(7), append(bytes.Clone(b.Get(keyOf(7))), ' '))) }, 7},
		"the last":    {func(b *bbolt.Bucket) { must(b.Put(keyOf(20), append(bytes.Clone(b.Get(keyOf(20))), ' '))) }, 20},
		"deleted":     {func(b *bbolt.Bucket) { must(b.Delete(keyOf(9))) }, 9},
		"the first":   {func(b *bbolt.Bucket) { must(b.Delete(keyOf(1))) }, 1},
		"at the end":  {func(b *bbolt.Bucket) { must(b.Delete(keyOf(20))) }, 20},
		"one too far": {func(b *bbolt.Bucket) { must(b.Put(keyOf(21), []byte(`{}`))) }, 21},
	} {
		b, err := s.db.Begin(true)
		if err != nil {
			t.Fatal(err)
		}
		test.do(b.Bucket([]byte("audit")))
		if w := walked(t, b, s); w.Fault == nil || w.Fault.Seq != test.want {
			t.Errorf("%s: got %v, want record %d", what, w.Fault, test.want)
		}
		must(b.Rollback())
	}
}

// TestALinkIsOneRecordApart has the head, and each link, be what a walk computes.
func TestALinkIsOneRecordApart(t *testing.T) {
	s := chained(t, 30)
	err := s.view(t.Context(), func(tx *tx) error {
		if tx.b.Bucket([]byte(metaBucket)).Root() != 0 {
			t.Error("the head has a page of its own, which each commit would write")
		}
		var last issuance.AuditHead
		w := issuance.AuditWalk{At: issuance.AuditHead{Link: issuance.NoLink}}
		_, _, err := tx.WalkAudit(w, 100, func(h issuance.AuditHead) {
			if got, err := tx.AuditLink(h.Seq); err != nil || got != h.Link {
				t.Errorf("record %d: got %q, %v, want %q", h.Seq, got, err, h.Link)
			}
			last = h
		})
		if got := tx.AuditHead(); got != last || got.Seq != 30 {
			t.Errorf("the head is %v, want %v", got, last)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// unchained puts n audit records into the database, as a program of before there
// were links wrote them.
func unchained(t *testing.T, o Options, n int) {
	t.Helper()
	s, err := open(o, migrations()[:chainSchema-1])
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.Update(func(b *bbolt.Tx) error {
		for range n {
			records := b.Bucket([]byte("audit"))
			seq, err := records.NextSequence()
			must(err)
			must(records.Put(keyOf(seq), fmt.Appendf(nil, `{"seq":%d,"at":"2026-11-21T21:58:00Z","verb":"add"}`, seq)))
		}
		return nil
	})
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestAChainBeginsOverWhatIsThere opens a database of before there were links, and
// changes what was in it then.
func TestAChainBeginsOverWhatIsThere(t *testing.T) {
	o := oldHouse(t)
	unchained(t, o, 12)
	s := opened(t, o)
	b, err := s.db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Rollback() //nolint:errcheck // closing the store would wait for it after a failure
	w := walked(t, b, s)
	if w.Fault != nil || w.Began < 2 || w.Records != w.Began {
		t.Fatalf("got %+v", w)
	}
	old := w.Began - 1
	records := b.Bucket([]byte("audit"))
	raw := records.Get(keyOf(w.Began))
	r, err := s.tables.audit.decode(raw)
	if err != nil || r.Verb != issuance.ChainVerb || r.Detail["records"] != fmt.Sprint(old) {
		t.Errorf("the chain begins with %+v, %v", r, err)
	}
	must(records.Put(keyOf(1), append(bytes.Clone(records.Get(keyOf(1))), ' ')))
	if w := walked(t, b, s); w.Fault == nil || w.Fault.Seq != 1 {
		t.Errorf("a change of the oldest record: %v", w.Fault)
	}
	must(b.Rollback())
	err = s.Update(t.Context(), func(tx issuance.Tx) error { return tx.AppendAudit(issuance.AuditRecord{Verb: issuance.AddVerb}) })
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := s.find(t, r)
	if err != nil || len(found) != 1 {
		t.Errorf("the record that begins the chain is not in its list: %v, %v", found, err)
	}
}

// find lists what has the verb of r.
func (s *Store) find(t *testing.T, r issuance.AuditRecord) (found []issuance.AuditRecord, cursor string, err error) {
	err = s.View(t.Context(), func(tx issuance.Snapshot) error {
		found, cursor, err = tx.Audit(issuance.AuditQuery{Verb: r.Verb})
		return err
	})
	return found, cursor, err
}

// BenchmarkAWalk goes over ten thousand records.
func BenchmarkAWalk(b *testing.B) {
	s := chained(b, 10_000)
	tx, err := s.db.Begin(false)
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing is written
	for b.Loop() {
		if w := walked(b, tx, s); w.Records != 10_000 {
			b.Fatal(w)
		}
	}
}

// TestACopyOfBeforeTheChainIsAccepted: the number of the record that begins the chain
// was given before to one that the copy has not.
func TestACopyOfBeforeTheChainIsAccepted(t *testing.T) {
	for _, to := range []uint64{6, 9} {
		dir := t.TempDir()
		key, err := seal.Create(filepath.Join(dir, "key"))
		must(err)
		o := Options{Path: filepath.Join(dir, "copy.db"), Key: key, Log: slog.New(slog.DiscardHandler)}
		unchained(t, o, 5)
		s := opened(t, o)
		noted := issuance.HighWater{Audit: to, Head: issuance.Digest(fmt.Sprint("link of ", to))}
		for range 2 { // again after a crash
			desk := &issuance.Desk{Now: time.Now}
			_, err := issuance.AcceptLoss(t.Context(), desk, s.History(), issuance.DefaultPolicy(), issuance.Witness{
				Base: issuance.HighWater{Audit: 5}, Journal: &issuance.Journal{Last: issuance.Progress{HighWater: noted}},
			})
			must(err)
		}
		b, err := s.db.Begin(false)
		must(err)
		w := walked(t, b, s)
		must(b.Rollback())
		want := []issuance.AuditGap{{From: 6, To: to, Link: noted.Head}}
		if w.Fault != nil || !slices.Equal(w.Gaps, want) || w.Began != 6 || w.Records != 9 || w.At.Seq != to+3 {
			t.Errorf("records 6 to %d were lost: %+v, %v", to, w, w.Fault)
		}
	}
}
