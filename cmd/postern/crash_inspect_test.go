package main_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// inspect looks at everything that is there when all people are done.
func inspect(t *testing.T, clerk *person, people []*person) {
	t.Helper()
	r := readRecords(t, clerk)
	r.checkOrders(t, people)
	r.checkSerials(t)
	r.checkNotices(t, people)
	seen := map[issuance.Serial]string{} // by whom
	for i, opened := range openAll(t, people) {
		p := people[i]
		for _, cert := range opened {
			serial := issuance.SerialOf(cert.SerialNumber)
			if other := seen[serial]; other != "" && other != p.order {
				t.Errorf("orders %s and %s got certificates with serial number %s", other, p.order, serial)
			}
			seen[serial] = p.order
			sum := sha256.Sum256(cert.Raw)
			c := r.certificates[serial]
			if got, want := c.Fingerprint, hex.EncodeToString(sum[:]); got != want || c.Order != p.order {
				t.Errorf("order %s got certificate %s, fingerprint %s; its record is %+v", p.order, serial, want, c)
			}
		}
	}
}

// records are all that the API lists.
type records struct {
	orders       map[string]orderRecord
	certificates map[issuance.Serial]certificateRecord
	notices      []noticeRecord
	audit        []auditedAct
}

func readRecords(t *testing.T, clerk *person) records {
	t.Helper()
	r := records{orders: map[string]orderRecord{}, certificates: map[issuance.Serial]certificateRecord{}}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	orders, err := listAll[orderRecord](t.Context(), clerk, "/orders")
	must(err)
	for _, o := range orders {
		r.orders[o.ID] = o
	}
	for _, status := range []issuance.Status{issuance.Abandoned, issuance.Active, issuance.Held, issuance.Revoked} {
		list, err := listAll[certificateRecord](t.Context(), clerk, "/certificates?status="+string(status))
		must(err)
		for _, c := range list {
			if old, twice := r.certificates[c.Serial]; twice {
				t.Errorf("serial number %s is listed twice: %+v, %+v", c.Serial, old, c)
			}
			r.certificates[c.Serial] = c
		}
	}
	r.notices, err = listAll[noticeRecord](t.Context(), clerk, "/messages")
	must(err)
	r.audit, err = listAll[auditedAct](t.Context(), clerk, "/audit")
	must(err)
	return r
}

// checkOrders wants each order completed, with one certificate that stands, and
// no order that was not placed.
func (r records) checkOrders(t *testing.T, people []*person) {
	t.Helper()
	if len(r.orders) != len(people) {
		t.Errorf("%d orders are there, want %d", len(r.orders), len(people))
	}
	active := map[string][]issuance.Serial{} // by order
	for _, c := range r.certificates {
		switch c.Status {
		case issuance.Active:
			active[c.Order] = append(active[c.Order], c.Serial)
		case issuance.Abandoned, issuance.Revoked:
		default:
			t.Errorf("certificate %s of order %s is %s", c.Serial, c.Order, c.Status)
		}
	}
	for _, p := range people {
		o := r.orders[p.order]
		if o.State != issuance.CompletedState {
			t.Errorf("order %s is %q, want completed", p.order, o.State)
		}
		if diff := cmp.Diff([]issuance.Serial{o.Serial}, active[p.order]); diff != "" {
			t.Errorf("certificates of order %s that stand (-want +got):\n%s", p.order, diff)
		}
	}
}

// checkSerials wants every serial number reserved once, and signed once if it is
// one of a certificate, with the fingerprint that its record has.
func (r records) checkSerials(t *testing.T) {
	t.Helper()
	reserved, issued := map[issuance.Serial]int{}, map[issuance.Serial][]string{}
	for _, a := range r.audit {
		switch a.Verb {
		case issuance.ReserveVerb:
			reserved[a.Serial]++
		case issuance.IssueVerb:
			issued[a.Serial] = append(issued[a.Serial], a.Order+" "+a.Detail["fingerprint"])
		}
	}
	for serial, n := range reserved {
		if _, known := r.certificates[serial]; n != 1 || !known {
			t.Errorf("serial number %s was reserved %d times; it has a record: %v", serial, n, known)
		}
	}
	for serial, c := range r.certificates {
		var want []string
		if c.Status != issuance.Abandoned {
			want = []string{c.Order + " " + c.Fingerprint}
		}
		if diff := cmp.Diff(want, issued[serial]); diff != "" || reserved[serial] != 1 {
			t.Errorf("certificate %s: reserved %d times; audit records of its issue (-want +got):\n%s", serial, reserved[serial], diff)
		}
	}
	for serial := range issued {
		if _, known := r.certificates[serial]; !known {
			t.Errorf("certificate %s was issued and has no record", serial)
		}
	}
}

// checkNotices wants no message given up or left, but for those that are of no
// use any more and wait to be dropped, and not more different codes
// and passwords texted than there are messages: one sent twice was the same.
func (r records) checkNotices(t *testing.T, people []*person) {
	t.Helper()
	type kind struct {
		order string
		kind  issuance.NoticeKind
	}
	there, byMobile := map[kind]int{}, map[string]string{}
	for _, p := range people {
		byMobile[p.mobile()] = p.order
	}
	for _, n := range r.notices {
		there[kind{n.Order, n.Kind}]++
		overtaken := n.State == issuance.Pending && n.Kind != issuance.PasswordNotice && r.orders[n.Order].State == issuance.CompletedState
		if n.State != issuance.Accepted && n.State != issuance.Dropped && !overtaken {
			t.Errorf("message %s (%s) of order %s is %s: %s", n.ID, n.Kind, n.Order, n.State, n.LastError)
		}
	}
	clerk := people[0]
	texted := map[kind]int{}
	for body, forms := range clerk.textsSent() {
		k := kind{byMobile[forms[0].to], kindOf(body)}
		texted[k]++
		if !slices.ContainsFunc(forms, func(f textSent) bool { return f != forms[0] }) {
			continue
		}
		t.Errorf("a %s SMS of order %s was sent again, and not the same:\n%v", k.kind, k.order, forms)
	}
	for k, n := range texted {
		if n > there[k] {
			t.Errorf("order %s: %d different %s SMS were sent for %d messages", k.order, n, k.kind, there[k])
		}
	}
	for id, kept := range clerk.mails.kept {
		for _, again := range kept[1:] {
			if diff := cmp.Diff(string(kept[0]), string(again)); diff != "" {
				t.Errorf("mail %s was sent again, and not the same (-first +again):\n%s", id, diff)
			}
		}
	}
}

func kindOf(body string) issuance.NoticeKind {
	if strings.Contains(body, "#") {
		return issuance.CodeNotice
	}
	return issuance.PasswordNotice
}

// textSent is a text message without its text: whom it went to, and all that
// was asked of Twilio.
type textSent struct{ to, request string }

// textsSent returns the text messages that Twilio accepted, by their text.
func (m *mortal) textsSent() map[string][]textSent {
	sent := map[string][]textSent{}
	for _, q := range m.phones.Requests() {
		if body := q.Form.Get("Body"); body != "" {
			sent[body] = append(sent[body], textSent{q.Form.Get("To"), q.Body})
		}
	}
	return sent
}

// sentTwice counts the messages that were sent more than once, by kind.
func (m *mortal) sentTwice() map[string]int {
	twice := map[string]int{}
	for body, sent := range m.textsSent() {
		if len(sent) > 1 {
			twice[string(kindOf(body))]++
		}
	}
	for _, kept := range m.mails.kept {
		if len(kept) > 1 {
			twice["mail"]++
		}
	}
	return twice
}

// openAll has all people open their files, as many at a time as there are
// processors, and returns each one's certificates.
func openAll(t *testing.T, people []*person) [][]*x509.Certificate {
	t.Helper()
	opened := make([][]*x509.Certificate, len(people))
	var next atomic.Int32
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(people); i = int(next.Add(1)) - 1 {
				opened[i] = people[i].open(t)
			}
		})
	}
	all.Wait()
	return opened
}

// open opens the files that p has got with the passwords that p has got. The
// last file must open with one of them.
func (p *person) open(t *testing.T) (opened []*x509.Certificate) {
	t.Helper()
	passwords := p.messages(passwordPattern)
	slices.Sort(passwords)
	passwords = slices.Compact(passwords)
	var last error = fmt.Errorf("there are %d files and %d passwords", len(p.files), len(passwords))
	for i, file := range p.files {
		if i > 0 && string(file) == string(p.files[i-1]) {
			continue // the same session got the same file
		}
		for _, password := range passwords {
			cert, err := openFile(file, password)
			if last = err; err == nil {
				opened = append(opened, cert)
				break
			}
		}
	}
	if last != nil {
		t.Errorf("order %s: the file does not open with the texted password: %v", p.order, last)
	}
	return opened
}

// openFile returns the certificate in a PKCS #12 file, which must be its key's. It
// asks OpenSSL: the 300,000 iterations of each file take seconds in this process
// under the race detector.
func openFile(file []byte, password string) (*x509.Certificate, error) {
	openssl := exec.Command("openssl", "pkcs12", "-passin", "env:PASSWORD", "-noenc")
	openssl.Env, openssl.Stdin = append(os.Environ(), "PASSWORD="+password), bytes.NewReader(file)
	text, err := openssl.Output()
	if err != nil {
		return nil, fmt.Errorf("openssl does not open it: %w", err)
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, err
	}
	return pair.Leaf, nil
}

// checkFile looks whether the database is sound.
func (m *mortal) checkFile() {
	m.t.Helper()
	db, err := bbolt.Open(filepath.Join(m.dir, "data", "postern.db"), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		m.t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			m.t.Errorf("the database is not sound: %v", err)
		}
		return nil
	}); err != nil {
		m.t.Fatal(err)
	}
}
