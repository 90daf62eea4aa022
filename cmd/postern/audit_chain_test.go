package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/checkpoint"
)

// forger has the database file of a machine that is down, and knows how the
// records are linked.
type forger struct {
	t *testing.T
	b *bbolt.Tx
}

func (m *machine) forge(f func(forger)) {
	m.t.Helper()
	db, err := bbolt.Open(m.file(databaseFile), 0o600, nil)
	must(m.t, err)
	must(m.t, db.Update(func(b *bbolt.Tx) error { f(forger{m.t, b}); return nil }))
	must(m.t, db.Close())
}

func (f forger) records() *bbolt.Bucket { return f.b.Bucket([]byte("audit")) }

func (f forger) key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, ^seq) }

// change changes a record, and nothing else.
func (f forger) change(seq uint64) {
	raw := f.records().Get(f.key(seq))
	must(f.t, f.records().Put(f.key(seq), bytes.Replace(raw, []byte(`"verb":"`), []byte(`"verb":"x`), 1)))
}

// link computes all links anew, and the head.
func (f forger) link() {
	link := strings.Repeat("0", 64)
	seq := uint64(0)
	for raw := f.records().Get(f.key(1)); raw != nil; raw = f.records().Get(f.key(seq + 1)) {
		seq++
		fresh := append([]byte(`{"prev":"`+link), raw[9+64:]...)
		must(f.t, f.records().Put(f.key(seq), fresh))
		sum := sha256.Sum256(append(append([]byte("postern audit record 1\n"+link), binary.BigEndian.AppendUint64(nil, seq)...), fresh...))
		link = hex.EncodeToString(sum[:])
	}
	must(f.t, f.records().SetSequence(seq))
	must(f.t, f.b.Bucket([]byte("meta")).Put([]byte("audit-head"), append(binary.BigEndian.AppendUint64(nil, seq), link...)))
}

// cut removes the last n records, and leaves no trace of them.
func (f forger) cut(n int) {
	c := f.records().Cursor()
	for range n {
		k, _ := c.First()
		must(f.t, f.records().Delete(bytes.Clone(k)))
	}
	f.link()
}

// audits returns all audit records, the oldest first.
func (h *house) audits(t *testing.T) (all []issuance.AuditRecord) {
	t.Helper()
	must(t, h.store.History().View(t.Context(), func(r issuance.HistoryReader) (err error) {
		all, _, err = r.AuditAfter(0, 1000)
		return err
	}))
	return all
}

func (h *house) verified(t *testing.T) *issuance.AuditFault {
	t.Helper()
	got, err := h.auditor.verify(t.Context(), nil)
	must(t, err)
	return got.Fault
}

// alerted reports whether staff are told something that has text in it.
func (h *house) alerted(t *testing.T, text string) bool {
	t.Helper()
	found := false
	must(t, h.registrar.Read(t.Context(), func(tx issuance.Reader) error {
		all, _, err := tx.Notices(issuance.NoticeQuery{})
		for _, n := range all {
			found = found || n.Kind == issuance.AlertNotice && strings.Contains(n.Text, text)
		}
		return err
	}))
	return found
}

// TestAForgedAuditLogIsFound changes the database of a machine that is down, in
// ways that the records by themselves tell, and in ways that only the high-water
// mark or a checkpoint elsewhere does.
func TestAForgedAuditLogIsFound(t *testing.T) {
	m := newMachine(t)
	h := m.serve()
	h.order(t)
	if fault := h.verified(t); fault != nil {
		t.Fatalf("nothing was changed: %v", fault)
	}
	kept, err := h.auditor.key.Sign(head(t, h), h.now())
	must(t, err)
	key := h.auditor.key.Verifier()
	m.down()
	whole, err := os.ReadFile(m.file(databaseFile))
	must(t, err)
	again := func(f func(forger)) {
		t.Helper()
		m.down()
		must(t, os.WriteFile(m.file(databaseFile), whole, 0o600))
		m.forge(f)
	}

	again(func(f forger) { f.change(3) })
	h, err = m.open()
	must(t, err)
	h.desk.Alerts = []string{"staff@example.com"}
	must(t, h.auditor.look(t.Context()))
	if !h.alerted(t, "audit record 3:") {
		t.Errorf("nobody is told of %v", h.auditor.fault.Load())
	}
	if h.auditor.faulty() != 1 {
		t.Error("the metric does not tell")
	}
	for _, c := range h.checks() {
		if err := c.Run(t.Context()); err != nil && strings.Contains(err.Error(), "audit") {
			t.Errorf("revocation would stop for it: %s: %v", c.Name, err)
		}
	}
	h.end(t)

	// The mark has gone on with the database above: it is not an old copy that comes next.
	must(t, os.Remove(m.file("postern.mark")))
	must(t, os.WriteFile(m.file(databaseFile), whole, 0o600))
	m.serve()
	m.down()
	whole, err = os.ReadFile(m.file(databaseFile))
	must(t, err)

	mark, err := os.ReadFile(m.file("postern.mark"))
	must(t, err)
	again(func(f forger) { f.change(3); f.link() })
	_, err = m.open()
	if err == nil {
		t.Fatal("a log that was written anew is served")
	}
	wantSaid(t, err.Error(), "not the one of the high-water mark", "its link is")
	if status, said := m.run("restore", "--accept-loss"); status != 0 {
		t.Fatal(said)
	}
	m.serve().wantContradiction(t)
	m.down()
	must(t, os.WriteFile(m.file("postern.mark"), mark, 0o600))
	again(func(f forger) { f.cut(2) })
	if _, err = m.open(); err == nil {
		t.Fatal("a log that was cut is served")
	}
	wantSaid(t, err.Error(), "older than the high-water mark", "it lacks audit records")

	// Who has the mark too: the checkpoint tells.
	again(func(f forger) { f.change(3); f.link() })
	must(t, os.Remove(m.file("postern.mark")))
	h = m.serve()
	if fault := h.verified(t); fault != nil {
		t.Errorf("the records by themselves tell: %v", fault)
	}
	all, err := checkpoint.Read(kept, key)
	must(t, err)
	got, err := h.auditor.verify(t.Context(), []uint64{all[0].Head.Seq})
	must(t, err)
	if len(got.Links) != 1 || got.Links[0].Link == all[0].Head.Link {
		t.Errorf("the checkpoint %v agrees with %v", all[0].Head, got.Links)
	}
}

// wantContradiction wants on record that a database was accepted which was not the one
// of the mark, and by whom.
func (h *house) wantContradiction(t *testing.T) {
	t.Helper()
	must(t, h.store.View(t.Context(), func(tx issuance.Snapshot) error {
		found, _, err := tx.Audit(issuance.AuditQuery{Did: issuance.RestoreVerb, Page: issuance.Page{Limit: 1}})
		if err == nil && (len(found) != 1 || !strings.Contains(found[0].Detail["contradicts"], "not the one that was noted") ||
			found[0].Actor.ID != "restore" || !strings.HasSuffix(found[0].Actor.Name, " on the server's machine")) {
			t.Errorf("on record is %+v", found)
		}
		return err
	}))
}

// TestTheDailyCheckKnowsTheMark: records that are right by themselves, and not those that
// were noted, are found while the server runs, too.
func TestTheDailyCheckKnowsTheMark(t *testing.T) {
	h, err := newMachine(t).open()
	must(t, err)
	defer h.end(t)
	last, _ := h.mark.file.Last()
	defer func() { must(t, h.mark.file.Append(last)) }()
	for want, change := range map[string]func(*issuance.Progress){
		"was written anew": func(p *issuance.Progress) { p.Head = issuance.Digest(strings.Repeat("a", 64)) },
		"the high-water mark knows of records up to ": func(p *issuance.Progress) { p.Audit += 100 },
	} {
		other := last
		change(&other)
		must(t, h.mark.file.Append(other))
		if fault := h.verified(t); fault == nil || !strings.Contains(fault.Why, want) {
			t.Errorf("got %v, want a fault that says %q", fault, want)
		}
	}
}

// end closes a house that has not served: its listeners close when they stop serving.
func (h *house) end(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stop()
	must(t, h.run(ctx, func() {}))
	must(t, h.close())
}

func head(t *testing.T, h *house) issuance.AuditHead {
	t.Helper()
	head, err := h.auditor.durableHead(t.Context())
	must(t, err)
	return head
}

// TestCertificatesOfTheHouseAreOnRecord looks for those that are not in the
// register: the CAs, the OCSP responder and the listeners have them.
func TestCertificatesOfTheHouseAreOnRecord(t *testing.T) {
	m := newMachine(t)
	h := m.serve()
	server, err := h.shown.get[0](nil)
	must(t, err)
	m.down()
	h = m.serve() // the CAs are not recorded twice
	seen := make(map[string]issuance.AuditRecord)
	twice := 0
	for _, r := range h.audits(t) {
		if r.Verb == issuance.SignVerb || r.Verb == issuance.CertifyVerb {
			if _, ok := seen[r.Detail[sha256Detail]]; ok {
				twice++
			}
			seen[r.Detail[sha256Detail]] = r
		}
	}
	if twice > 0 {
		t.Errorf("%d certificates are on record twice", twice)
	}
	all := map[string]*x509.Certificate{"root": h.authority.Root(), "listener": server.Leaf, "issuing CA": h.authority.Issuers()[0].Certificate}
	for what, c := range all {
		r, ok := seen[fingerprint(c)]
		if !ok || r.Serial != issuance.SerialOf(c.SerialNumber) || r.Detail["subject"] != c.Subject.String() || r.Detail["not_after"] == "" {
			t.Errorf("the %s: on record is %+v", what, r)
		}
	}
	responders := 0
	for _, r := range seen {
		if r.Subject == "OCSP responder" {
			responders++
		}
	}
	if responders != 2 { // one of each start
		t.Errorf("%d OCSP responders are on record, want 2", responders)
	}
}

// TestCheckpointsLeaveTheHost has a webhook that refuses at first, and a file.
func TestCheckpointsLeaveTheHost(t *testing.T) {
	var mu sync.Mutex
	var got []byte
	tries := 0
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got, _ = io.ReadAll(r.Body)
	}))
	defer hook.Close()
	m := newMachine(t)
	h, err := m.open()
	must(t, err)
	defer h.end(t)
	h.cfg.Audit.CheckpointFile, h.cfg.Audit.CheckpointWebhook = m.file("checkpoints"), hook.URL
	h.cfg.Audit.CheckpointRecords = 3
	a := h.auditor
	if err := a.checkpoint(context.Background()); err == nil || a.deliveredAt() != 0 {
		t.Errorf("a webhook that refused has it: %v", err)
	}
	must(t, a.checkpoint(context.Background())) // it waits
	if tries != 1 {
		t.Errorf("%d tries at once", tries)
	}
	a.sent.tryNext = h.now()
	must(t, a.checkpoint(context.Background()))
	first := a.sent.head.Seq
	h.order(t)
	must(t, a.checkpoint(context.Background()))
	text, err := os.ReadFile(m.file("checkpoints"))
	must(t, err)
	all, err := checkpoint.Read(text, a.key.Verifier())
	must(t, err)
	if len(all) != 2 || all[0].Head.Seq != first || all[1].Head.Seq <= first+2 || a.deliveredAt() == 0 {
		t.Errorf("the file has %v", all)
	}
	last, err := checkpoint.Read(got, a.key.Verifier())
	must(t, err)
	if last[0] != all[1] {
		t.Errorf("the webhook has %v, the file %v", last[0], all[1])
	}
	checked, err := a.verify(t.Context(), []uint64{first, all[1].Head.Seq})
	must(t, err)
	for i, l := range checked.Links {
		if l != all[i].Head {
			t.Errorf("checkpoint %d: %v, and the records have %v", i, all[i].Head, l)
		}
	}
}

// TestRecordsWrittenAnewWhileItServes has the mark know another link than the records
// have: as if somebody had computed them all anew beneath a server that runs.
func TestRecordsWrittenAnewWhileItServes(t *testing.T) {
	m := newMachine(t)
	h, err := m.open()
	must(t, err)
	h.desk.Alerts = []string{"staff@example.com"}
	must(t, h.mark.note(t.Context()))
	must(t, h.auditor.look(t.Context())) // the next one is tomorrow
	evidence, _ := h.mark.file.Last()
	evidence.Head, evidence.Since = issuance.Digest(strings.Repeat("f", 64)), evidence.HighWater
	must(t, h.mark.file.Append(evidence))
	h.order(t)
	must(t, h.store.Update(t.Context(), func(tx issuance.Tx) error {
		return tx.AppendRevocation(issuance.Revocation{Serial: issuance.NewSerial(), Issuer: "issuing-1", Status: issuance.Held, At: h.now()})
	}))
	must(t, h.mark.note(t.Context()))
	if got := h.noted(); got.Head != evidence.Head || got.Audit != evidence.Audit || got.Change != evidence.Change+1 {
		t.Errorf("the mark had the evidence %v, and has %v", evidence.HighWater, got)
	}
	if h.auditor.faulty() != 1 {
		t.Error("the metric does not tell")
	}
	must(t, h.auditor.look(t.Context()))
	if !h.alerted(t, "it, or one before it, was written anew") {
		t.Errorf("nobody is told of %v", h.auditor.fault.Load())
	}
	h.end(t)
	if _, err = m.open(); err == nil {
		t.Fatal("the next start does not find it")
	}
	wantSaid(t, err.Error(), "not the one of the high-water mark")
}

// TestChecksDoNotQueue has two persons ask at once while a check runs.
func TestChecksDoNotQueue(t *testing.T) {
	m := newMachine(t)
	h, err := m.open()
	must(t, err)
	defer h.end(t)
	h.auditor.walking <- struct{}{}
	ctx, leave := context.WithCancel(t.Context())
	answers := make(chan error, 2)
	for range 2 {
		go func() { _, err := h.auditor.verify(ctx, nil); answers <- err }()
	}
	busy, _ := errors.AsType[*issuance.Error](<-answers)
	if busy == nil || busy.Kind != issuance.Unavailable || busy.Retry == 0 {
		t.Errorf("the second is told %v", busy)
	}
	leave()
	if err := <-answers; !errors.Is(err, context.Canceled) {
		t.Errorf("the first waits on: %v", err)
	}
	<-h.auditor.walking
	if fault := h.verified(t); fault != nil {
		t.Error(fault)
	}
	// Without a file and a webhook, a checkpoint has arrived when it is in the log.
	must(t, h.auditor.checkpoint(t.Context()))
	if h.auditor.deliveredAt() == 0 {
		t.Error("the metric says that no checkpoint got to the log")
	}
}

// TestAnUnknownStatusIsNamed: HTTP has no text for it.
func TestAnUnknownStatusIsNamed(t *testing.T) {
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(599) }))
	defer hook.Close()
	if err := postNote(t.Context(), hook.URL, nil); err == nil || !strings.HasSuffix(err.Error(), "it answered 599") {
		t.Errorf("got %v", err)
	}
}
