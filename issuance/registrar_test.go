package issuance_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

func TestTheLifeOfAnOrder(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id := h.invited()
	token, code := h.delivered()
	h.wantState(id, issuance.InvitedState)
	if h.has(issuance.LinkSecret, id) {
		t.Error("the link's token is still in the store after the mail was accepted")
	}

	session, err := h.Verify(ctx, token, code)
	h.ok(err)
	h.wantState(id, issuance.VerifiedState)

	file, err := h.Claim(ctx, token, session, issuance.ClaimRequest{Target: "java"})
	h.ok(err)
	h.wantState(id, issuance.IssuedState)
	if len(h.post(issuance.SMS)) != 0 {
		t.Error("an SMS went out before the download")
	}

	h.ok(h.Download(ctx, token, session))
	h.wantState(id, issuance.DownloadedState)
	sent := h.post(issuance.SMS)
	if len(sent) != 1 || sent[0].Notice.Kind != issuance.PasswordNotice || sent[0].Secret.Empty() {
		t.Fatalf("after the download: sent %v, want the password", sent)
	}
	h.wantState(id, issuance.CompletedState)

	again, err := h.Claim(ctx, token, session, issuance.ClaimRequest{Target: "compatible"})
	h.ok(err)
	if !bytes.Equal(file.PKCS12, again.PKCS12) {
		t.Error("the second download is another file")
	}
	h.ok(h.Download(ctx, token, session))
	if n := len(h.post(issuance.SMS)); n != 0 {
		t.Errorf("%d more SMS after the second download, want none", n)
	}

	h.advance(h.cfg.Policy.ClaimWindow)
	h.ok(h.Sweep(ctx))
	for _, kind := range []issuance.SecretKind{issuance.LinkSecret, issuance.SeedSecret, issuance.PKCS12Secret, issuance.PasswordSecret} {
		if h.has(kind, id) {
			t.Errorf("the %s is still in the store after the claim window", kind)
		}
	}
	_, err = h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.wantCode(err, issuance.CodeWindow)

	var verbs []issuance.Verb
	h.ok(h.Read(ctx, func(tx issuance.Reader) error {
		records, _, err := tx.Audit(issuance.AuditQuery{Order: id})
		for _, r := range records {
			verbs = append(verbs, r.Verb)
		}
		slices.Reverse(verbs)
		return err
	}))
	want := []issuance.Verb{
		issuance.RequestVerb, issuance.ApproveVerb, issuance.SendVerb, issuance.SendVerb, issuance.AttemptVerb, issuance.VerifyVerb,
		issuance.ReserveVerb, issuance.IssueVerb, issuance.DownloadVerb, issuance.SendVerb, issuance.CompleteVerb, issuance.WipeVerb,
	}
	// The posted password is audited as sent before or after the order is complete: both in one transaction.
	slices.Sort(verbs)
	slices.Sort(want)
	if diff := cmp.Diff(want, verbs); diff != "" {
		t.Errorf("audit records (-want +got):\n%s", diff)
	}
}

func TestLifetimeIsWhatIsConfigured(t *testing.T) {
	h := newHouse(t)
	_, token, session := h.verified()
	f, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	if want := h.now().AddDate(2, 0, 0); !f.Certificate.NotAfter.Equal(want) {
		t.Errorf("notAfter is %v, want %v", f.Certificate.NotAfter, want)
	}
	if want := h.now().Add(-time.Hour); !f.Certificate.NotBefore.Equal(want) {
		t.Errorf("notBefore is %v, want %v", f.Certificate.NotBefore, want)
	}
	// Not beyond its issuer.
	h.set(time.Date(2035, 6, 1, 0, 0, 0, 0, time.UTC))
	_, token, session = h.verified()
	f, err = h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	if _, want := h.signer.Issuer(); !f.Certificate.NotAfter.Equal(want) {
		t.Errorf("notAfter is %v, want the issuer's %v", f.Certificate.NotAfter, want)
	}
}

func TestAThousandClaimsMakeOneCertificate(t *testing.T) {
	h := newHouse(t)
	_, token, session := h.verified()
	files := make([][]byte, 1000)
	var all sync.WaitGroup
	for i := range files {
		all.Go(func() {
			for {
				f, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
				if issuance.KindOf(err) == issuance.Unavailable {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				files[i] = f.PKCS12
				return
			}
		})
	}
	all.Wait()
	for i, f := range files {
		if len(f) == 0 || !bytes.Equal(f, files[0]) {
			t.Fatalf("claim %d got %q, claim 0 %q", i, f, files[0])
		}
	}
	if n := h.signer.signed(); n != 1 {
		t.Errorf("%d certificates were signed, want 1", n)
	}
	if n := len(h.certificates(issuance.CertificateQuery{})); n != 1 {
		t.Errorf("%d certificates are recorded, want 1", n)
	}
}

func TestAThousandWrongCodesAreComparedFiveTimes(t *testing.T) {
	h := newHouse(t)
	id := h.invited()
	token, right := h.delivered()
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			_, err := h.Verify(t.Context(), token, "00000000")
			if code := issuance.CodeOf(err); code != issuance.CodeWrongCode && code != issuance.CodeSpent {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if n := h.compared.Load(); n != int64(h.cfg.Policy.CodeAttempts) {
		t.Errorf("%d comparisons, want %d", n, h.cfg.Policy.CodeAttempts)
	}
	_, err := h.Verify(t.Context(), token, right)
	h.wantCode(err, issuance.CodeSpent)
	// The second code uses up the order's tries, and locks it.
	h.advance(h.cfg.Policy.CodeCooldown)
	h.ok(h.SendCode(t.Context(), token))
	h.post(issuance.SMS)
	for range 1000 {
		all.Go(func() { h.Verify(t.Context(), token, "00000000") })
	}
	all.Wait()
	if n := h.compared.Load(); n != int64(h.cfg.Policy.OrderAttempts) {
		t.Errorf("%d comparisons, want %d", n, h.cfg.Policy.OrderAttempts)
	}
	h.wantState(id, issuance.LockedState)
	h.wantCode(h.SendCode(t.Context(), token), issuance.CodeLocked)
	if !slices.ContainsFunc(h.notices(issuance.NoticeQuery{Order: id}), func(n issuance.Notice) bool { return n.Kind == issuance.AlertNotice && namesTheOrder(n.Text) }) {
		t.Error("staff were not alerted")
	}

	h.advance(h.cfg.Policy.CodeCooldown)
	_, err = h.Unlock(t.Context(), h.staff, id, "spoke to Anna")
	h.ok(err)
	h.ok(h.SendCode(t.Context(), token))
	sent := h.post(issuance.SMS)
	_, err = h.Verify(t.Context(), token, string(sent[len(sent)-1].Secret.Reveal()))
	h.ok(err)
}

func TestAnOutageOfTheProviderDoesNotEatTheCodesTime(t *testing.T) {
	h := newHouse(t)
	h.invited()
	ctx := t.Context()
	mails := h.post(issuance.Mail)
	token := mails[0].Secret
	var texts []string
	for range 4 { // the provider is down for minutes
		out, err := h.TakeNotices(ctx, issuance.SMS, 10, time.Minute)
		h.ok(err)
		if len(out) != 1 {
			t.Fatalf("took %d notices, want 1", len(out))
		}
		texts = append(texts, string(out[0].Secret.Reveal()))
		h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("503"), RetryAfter: time.Minute}))
		h.advance(time.Minute)
		h.wantCode(h.SendCode(ctx, token), issuance.CodeDelayed)
	}
	if got := slices.Compact(texts); len(got) != 1 {
		t.Errorf("the code changed from try to try: %d different ones", len(got))
	}
	sent := h.post(issuance.SMS)
	code := string(sent[0].Secret.Reveal())
	h.advance(30 * time.Minute)
	_, err := h.Verify(ctx, token, code)
	h.wantCode(err, issuance.CodeExpired)
	h.advance(-time.Second)
	_, err = h.Verify(ctx, token, code)
	h.ok(err)
}

// TestAContactIsToldOfAPausedChannel has a channel that pauses before it tries a code:
// no provider has refused this message, and it gets no further all the same. Asking
// for more codes would use up the day's.
func TestAContactIsToldOfAPausedChannel(t *testing.T) {
	h := newHouse(t)
	id := h.invited()
	ctx := t.Context()
	token := h.post(issuance.Mail)[0].Secret
	seen := func() issuance.CodeView {
		t.Helper()
		v, err := h.Look(ctx, token, issuance.Secret{})
		h.ok(err)
		return v.Code
	}
	if c := seen(); !c.Waiting || c.Delayed {
		t.Errorf("just made: %+v", c)
	}
	for _, wait := range []time.Duration{h.cfg.Policy.CodeCooldown, 30 * time.Minute, 3 * time.Hour} {
		h.advance(wait)
		if c := seen(); !c.Waiting || !c.Delayed || c.Expired {
			t.Errorf("after another %s: %+v, want it waiting and delayed, and not expired", wait, c)
		}
		h.wantCode(h.SendCode(ctx, token), issuance.CodeDelayed)
	}
	// The probe of a paused channel makes the code anew, and is refused.
	out, err := h.TakeNotices(ctx, issuance.SMS, 1, time.Minute)
	h.ok(err)
	h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("401"), Uncharged: true}))
	h.ok(h.Read(ctx, func(tx issuance.Reader) error {
		late, err := issuance.Overdue(tx, issuance.SMS, h.now())
		if len(late) != 1 || late[0].Order != id {
			t.Errorf("after hours %d messages are overdue, want the code", len(late))
		}
		return err
	}))
	code := string(h.postLater(issuance.SMS)[0].Secret.Reveal())
	if c := seen(); c.Waiting || c.Delayed || !c.Live {
		t.Errorf("sent: %+v", c)
	}
	_, err = h.Verify(ctx, token, code)
	h.ok(err)
}

// TestACodeThatCannotBeSentIsNotWaitedFor has a try at a code that a provider may have
// accepted, and then a channel that pauses: once it is too late for that code, it is
// not made anew either, and its contact can ask for another at once.
func TestACodeThatCannotBeSentIsNotWaitedFor(t *testing.T) {
	h := newHouse(t)
	h.invited()
	ctx := t.Context()
	token := h.post(issuance.Mail)[0].Secret
	for _, out := range []issuance.Outcome{{Err: errors.New("503")}, {Err: errors.New("401"), Uncharged: true, RetryAfter: time.Minute}} {
		h.advance(time.Second)
		taken, err := h.TakeNotices(ctx, issuance.SMS, 1, time.Minute)
		h.ok(err)
		h.ok(h.Settle(ctx, taken[0].Notice.ID, out))
	}
	for _, at := range []struct {
		pass                     time.Duration
		waiting, failed, expired bool
	}{{h.cfg.Policy.CodeCooldown, true, false, false}, {5 * time.Minute, false, true, false}, {30 * time.Minute, false, true, true}} {
		h.advance(at.pass)
		v, err := h.Look(ctx, token, issuance.Secret{})
		h.ok(err)
		if c := v.Code; c.Waiting != at.waiting || c.Delayed != at.waiting || c.Failed != at.failed || c.Expired != at.expired {
			t.Errorf("after another %s: %+v, want %+v", at.pass, c, at)
		}
		if at.waiting {
			h.wantCode(h.SendCode(ctx, token), issuance.CodeDelayed)
		}
	}
	h.ok(h.SendCode(ctx, token))
	sent := h.post(issuance.SMS)
	if len(sent) != 1 {
		t.Fatalf("%d codes were sent, want the new one", len(sent))
	}
	_, err := h.Verify(ctx, token, string(sent[0].Secret.Reveal()))
	h.ok(err)
}

// postLater is post after what was refused a second ago is due again.
func (h *house) postLater(channel issuance.Channel) []issuance.Dispatch {
	h.advance(time.Second)
	return h.post(channel)
}

// TestAContactIsToldOfAPasswordThatWaits is the same of the password of a file.
func TestAContactIsToldOfAPasswordThatWaits(t *testing.T) {
	h := newHouse(t)
	_, token, session := h.downloaded()
	for minutes, want := range []bool{false, true} {
		h.advance(time.Duration(minutes) * time.Minute)
		v, err := h.Look(t.Context(), token, session)
		h.ok(err)
		if v.PasswordState != issuance.Pending || v.PasswordDelayed != want {
			t.Errorf("after %d minutes: %q, delayed %t; want it pending, delayed %t", minutes, v.PasswordState, v.PasswordDelayed, want)
		}
	}
}

// TestACodeIsMadeAnewWhenItsMessageWaited has a channel paused for hours: the code
// that goes out at last is one that lives as long as it says, and only that one opens.
func TestACodeIsMadeAnewWhenItsMessageWaited(t *testing.T) {
	h := newHouse(t)
	h.invited()
	ctx := t.Context()
	token := h.post(issuance.Mail)[0].Secret
	out, err := h.TakeNotices(ctx, issuance.SMS, 10, time.Minute)
	h.ok(err)
	old := string(out[0].Secret.Reveal())
	h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("401"), Uncharged: true, RetryAfter: time.Minute}))
	h.advance(3 * time.Hour)
	code := string(h.post(issuance.SMS)[0].Secret.Reveal())
	if code == old {
		t.Fatal("the code of three hours ago was sent")
	}
	_, err = h.Verify(ctx, token, old)
	h.wantCode(err, issuance.CodeWrongCode)
	h.advance(30*time.Minute - time.Second)
	_, err = h.Verify(ctx, token, code)
	h.ok(err)
}

// TestARetriedCodeIsANewOne has staff send a code again that failed: the old one may
// have arrived all the same, and its time runs.
func TestARetriedCodeIsANewOne(t *testing.T) {
	h := newHouse(t)
	h.invited()
	ctx := t.Context()
	token := h.post(issuance.Mail)[0].Secret
	out, err := h.TakeNotices(ctx, issuance.SMS, 10, time.Minute)
	h.ok(err)
	h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("no such number"), Permanent: true}))
	h.advance(12 * time.Hour)
	_, err = h.RetryNotice(ctx, h.staff, out[0].Notice.ID)
	h.ok(err)
	sent := h.post(issuance.SMS)
	if sent[0].Secret.Equal(out[0].Secret) {
		t.Error("the code of twelve hours ago was sent again")
	}
	_, err = h.Verify(ctx, token, string(sent[0].Secret.Reveal()))
	h.ok(err)
}

// namesTheOrder reports whether an alert names the order as people know it.
func namesTheOrder(text string) bool {
	for _, part := range []string{"ord-", "payments", "Acme AG", "anna@"} {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func TestAHopelessNoticeIsShownAndNothingIsLost(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, _, _ := h.downloaded()
	out, err := h.TakeNotices(ctx, issuance.SMS, 10, time.Minute)
	h.ok(err)
	h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("the number does not exist"), Permanent: true}))
	failed := h.notices(issuance.NoticeQuery{State: issuance.Failed})
	if len(failed) != 1 || failed[0].LastError != "the number does not exist" {
		t.Fatalf("failed notices: %+v", failed)
	}
	if alerts := h.post(issuance.Mail); len(alerts) != 1 || alerts[0].Notice.Kind != issuance.AlertNotice || alerts[0].Notice.To != "duty@postern.example" || !namesTheOrder(alerts[0].Notice.Text) {
		t.Errorf("staff were not told: %+v", alerts)
	}
	// The claim window ends: the file goes, the password stays until it is delivered.
	h.advance(h.cfg.Policy.ClaimWindow)
	h.ok(h.Sweep(ctx))
	if h.has(issuance.PKCS12Secret, id) || !h.has(issuance.PasswordSecret, id) {
		t.Errorf("after the window: file kept %v, password kept %v; want false, true", h.has(issuance.PKCS12Secret, id), h.has(issuance.PasswordSecret, id))
	}
	_, err = h.RetryNotice(ctx, h.staff, failed[0].ID)
	h.ok(err)
	again := h.post(issuance.SMS)
	if !again[0].Notice.CreatedAt.Equal(out[0].Notice.CreatedAt) {
		t.Error("what is sent again has another date")
	}
	if len(again) != 1 || again[0].Notice.To != h.contact.Mobile || !again[0].Secret.Equal(out[0].Secret) {
		t.Errorf("sent again: %+v", again)
	}
	h.wantState(id, issuance.CompletedState)
	if h.has(issuance.PasswordSecret, id) {
		t.Error("the password is still in the store after it was delivered and the window ended")
	}
}

func TestANoticeThatCannotBeWrittenDoesNotHoldUpTheOthers(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.ok(h.store.Update(ctx, func(tx issuance.Tx) error {
		return tx.PutNotice(issuance.Notice{ID: "msg-0", Kind: issuance.CodeNotice, Channel: issuance.SMS, State: issuance.Pending, Order: "ord-gone", NextAt: h.now(), GiveUpAt: h.now().Add(time.Hour)})
	}))
	h.invited()
	h.delivered()
	if failed := h.notices(issuance.NoticeQuery{State: issuance.Failed}); len(failed) != 1 || failed[0].ID != "msg-0" || failed[0].LastError == "" {
		t.Errorf("failed notices: %+v", failed)
	}
}

func TestAMessageOfAKilledProcessIsSentAgainAtOnce(t *testing.T) {
	h := newHouse(t)
	h.invited()
	first, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Hour)
	h.ok(err)
	if again, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Hour); err != nil || len(again) != 0 {
		t.Errorf("a message was handed out twice within its lease: %v, %v", again, err)
	}
	h.ok(h.Recover(t.Context()))
	again, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Hour)
	h.ok(err)
	if len(again) != 1 || !again[0].Secret.Equal(first[0].Secret) || again[0].Notice.ID != first[0].Notice.ID {
		t.Errorf("after the recovery: %+v", again)
	}
}

func TestAPausedChannelGivesNothingUp(t *testing.T) {
	h := newHouse(t)
	h.invited()
	out, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Minute)
	h.ok(err)
	h.advance(30 * 24 * time.Hour)
	h.ok(h.Settle(t.Context(), out[0].Notice.ID, issuance.Outcome{Err: errors.New("401"), Uncharged: true, RetryAfter: time.Minute}))
	if pending := h.notices(issuance.NoticeQuery{State: issuance.Pending}); len(pending) == 0 || pending[0].Attempts != 0 {
		t.Errorf("pending notices: %+v", pending)
	}
}

func TestANoticeIsGivenUpAfterItsTime(t *testing.T) {
	h := newHouse(t)
	h.invited()
	for range 100 {
		out, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Minute)
		h.ok(err)
		for _, d := range out {
			h.ok(h.Settle(t.Context(), d.Notice.ID, issuance.Outcome{Err: errors.New("503"), RetryAfter: time.Minute}))
		}
		h.advance(time.Minute)
	}
	if failed := h.notices(issuance.NoticeQuery{State: issuance.Failed}); len(failed) != 1 || failed[0].Attempts != 6 {
		t.Errorf("failed notices: %+v", failed)
	}
}

func TestAWindowThatRunsOutRevokesAndReopens(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session := h.verified()
	f, err := h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.ok(err)
	h.advance(h.cfg.Policy.ClaimWindow)
	h.ok(h.Sweep(ctx))
	h.wantState(id, issuance.InvitedState)
	if c, err := h.Certificate(ctx, f.Certificate.Serial); err != nil || c.Status != issuance.Revoked {
		t.Errorf("the certificate that nobody got is %s, %v", c.Status, err)
	}
	if h.has(issuance.PKCS12Secret, id) || h.has(issuance.PasswordSecret, id) {
		t.Error("file or password are still in the store")
	}
	// The same link serves for another go.
	h.ok(h.SendCode(ctx, token))
	sent := h.post(issuance.SMS)
	session, err = h.Verify(ctx, token, string(sent[0].Secret.Reveal()))
	h.ok(err)
	g, err := h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.ok(err)
	if g.Certificate.Serial == f.Certificate.Serial {
		t.Error("a serial number was used twice")
	}
}

func TestACSRNeedsNoPassword(t *testing.T) {
	h := newHouse(t)
	id, token, session := h.verified()
	_, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{CSR: []byte("rubbish")})
	h.wantCode(err, issuance.CodeCSR)
	h.wantState(id, issuance.VerifiedState)
	f, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{CSR: []byte("csr of a key")})
	h.ok(err)
	if f.PKCS12 != nil || len(f.Chain) != 3 {
		t.Errorf("got a PKCS#12 of %d bytes and a chain of %d", len(f.PKCS12), len(f.Chain))
	}
	h.wantState(id, issuance.CompletedState)
	if n := len(h.post(issuance.SMS)); n != 0 {
		t.Errorf("%d SMS were sent, want none", n)
	}
	// A chain that did not arrive is fetched again; the certificate, whose key is
	// the contact's, is not revoked because nobody saw it arrive.
	g, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	h.ok(h.Download(t.Context(), token, session))
	h.advance(h.cfg.Policy.ClaimWindow)
	h.ok(h.Sweep(t.Context()))
	h.wantState(id, issuance.CompletedState)
	if c, err := h.Certificate(t.Context(), f.Certificate.Serial); err != nil || c.Status != issuance.Active || g.Certificate.Serial != c.Serial {
		t.Errorf("got %+v, %v", c, err)
	}
}

// TestAnEmptyCSRMakesNoKeyHere: whoever sends one wanted to keep the key.
func TestAnEmptyCSRMakesNoKeyHere(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session := h.verified()
	_, err := h.Claim(ctx, token, session, issuance.ClaimRequest{CSR: []byte{}})
	h.wantCode(err, issuance.CodeCSR)
	h.wantState(id, issuance.VerifiedState)
	f, err := h.Claim(ctx, token, session, issuance.ClaimRequest{CSR: []byte("csr of a key")})
	h.ok(err)
	for _, csr := range [][]byte{nil, {}} {
		_, err := h.Reenroll(ctx, f.Certificate.Serial, csr)
		h.wantCode(err, issuance.CodeCSR)
	}
	id = h.invited()
	token, code := h.delivered()
	_, _, err = h.Enroll(ctx, issuance.Enrollment{Token: token, Code: code, Claim: issuance.ClaimRequest{CSR: []byte{}}})
	h.wantCode(err, issuance.CodeCSR)
	h.wantState(id, issuance.InvitedState)
}

func TestAnOrderWithAFileIsNotCompleteBeforeItArrived(t *testing.T) {
	o := issuance.Order{ID: "ord-1", State: issuance.IssuedState}
	if err := o.Complete(time.Now()); issuance.CodeOf(err) != issuance.CodeState || o.State != issuance.IssuedState {
		t.Errorf("got %v in state %s", err, o.State)
	}
}

func TestACompromisedKeyIsNotCertifiedAgain(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(c *issuance.Config) {
		c.ReadCSR = func([]byte) (crypto.PublicKey, error) { return key.Public(), nil }
	})
	ctx := t.Context()
	claim := func() (issuance.OrderID, error) {
		id, token, session := h.verified()
		_, err := h.Claim(ctx, token, session, issuance.ClaimRequest{CSR: []byte("csr")})
		return id, err
	}
	first, err := claim()
	h.ok(err)
	second, err := claim()
	h.ok(err)
	// The paper signer makes no real certificates; this is what a real one looks like.
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	h.ok(err)
	h.ok(h.store.Update(ctx, func(tx issuance.Tx) error {
		for _, id := range []issuance.OrderID{first, second} {
			o, err := tx.Order(id)
			if err != nil {
				return err
			}
			c, err := tx.Certificate(o.Serial)
			if err != nil {
				return err
			}
			c.DER = der
			if err := tx.PutCertificate(c); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err = h.Revoke(ctx, h.staff, h.order(first).Serial, issuance.Superseded, "")
	h.ok(err)
	_, err = claim()
	h.ok(err)
	_, err = h.Revoke(ctx, h.staff, h.order(second).Serial, issuance.KeyCompromise, "")
	h.ok(err)
	id, err := claim()
	h.wantCode(err, issuance.CodeCSR)
	h.wantState(id, issuance.VerifiedState)
}

func TestWhatAttackersTry(t *testing.T) {
	t.Run("locking while the certificate is made", func(t *testing.T) {
		h := newHouse(t)
		ctx := t.Context()
		id, token, session := h.verified()
		reached, goOn := make(chan struct{}), make(chan struct{})
		h.signer.before = func() { close(reached); <-goOn }
		done := make(chan error, 1)
		go func() {
			_, err := h.Claim(ctx, token, session, issuance.ClaimRequest{})
			done <- err
		}()
		<-reached
		for range 30 {
			h.Verify(ctx, token, "00000000")
			h.advance(h.cfg.Policy.CodeCooldown)
			h.SendCode(ctx, token)
			h.post(issuance.SMS)
		}
		close(goOn)
		h.ok(<-done)
		h.wantState(id, issuance.IssuedState)
	})
	t.Run("throwing out who entered the code", func(t *testing.T) {
		h := newHouse(t)
		id, token, session := h.verified()
		for range h.cfg.Policy.OrderAttempts + 2 {
			h.advance(h.cfg.Policy.CodeCooldown)
			h.SendCode(t.Context(), token)
			h.post(issuance.SMS)
			h.Verify(t.Context(), token, "00000000")
		}
		h.wantState(id, issuance.VerifiedState)
		_, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
		h.ok(err)
	})
	t.Run("a code of a disabled contact", func(t *testing.T) {
		h := newHouse(t)
		h.invited()
		token, code := h.delivered()
		_, err := h.ChangeContact(t.Context(), h.staff, h.contact.ID, func(c *issuance.Contact) { c.Disabled = true })
		h.ok(err)
		_, err = h.Verify(t.Context(), token, code)
		h.wantCode(err, issuance.CodeCancelled)
		h.wantCode(h.SendCode(t.Context(), token), issuance.CodeCancelled)
	})
	t.Run("a claim for a disabled service", func(t *testing.T) {
		h := newHouse(t)
		_, token, session := h.verified()
		_, err := h.ChangeService(t.Context(), h.staff, h.service.ID, func(s *issuance.ServiceRequest) { s.Disabled = true })
		h.ok(err)
		_, err = h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
		h.wantCode(err, issuance.CodeCancelled)
		if n := h.signer.signed(); n != 0 {
			t.Errorf("%d certificates were signed", n)
		}
	})
	t.Run("a code whose SMS failed", func(t *testing.T) {
		h := newHouse(t)
		h.invited()
		token := h.post(issuance.Mail)[0].Secret
		out, err := h.TakeNotices(t.Context(), issuance.SMS, 1, time.Minute)
		h.ok(err)
		h.ok(h.Settle(t.Context(), out[0].Notice.ID, issuance.Outcome{Err: errors.New("no"), Permanent: true}))
		_, err = h.Verify(t.Context(), token, string(out[0].Secret.Reveal()))
		h.wantCode(err, issuance.CodeSpent)
		// Staff mend the reason and send it again: the same code works.
		_, err = h.RetryNotice(t.Context(), h.staff, out[0].Notice.ID)
		h.ok(err)
		again := h.post(issuance.SMS)
		_, err = h.Verify(t.Context(), token, string(again[0].Secret.Reveal()))
		h.ok(err)
	})
	t.Run("a session that is over before the sweep came round", func(t *testing.T) {
		h := newHouse(t)
		_, token, session := h.verified()
		h.advance(h.cfg.Policy.ClaimWindow)
		_, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
		h.wantCode(err, issuance.CodeSession)
	})
	t.Run("another customer's certificate renewed", func(t *testing.T) {
		h := newHouse(t)
		id, _, _ := h.downloaded()
		_, err := h.AddService(t.Context(), h.staff, issuance.ServiceRequest{Service: issuance.Service{Organization: "acme", Name: "other"}})
		h.ok(err)
		_, err = h.Request(t.Context(), h.staff, issuance.OrderRequest{Service: "acme.other", Contact: h.contact.ID, Renews: h.order(id).Serial})
		h.wantCode(err, issuance.CodeInvalid)
	})
	t.Run("a right code that comes late is no wrong try", func(t *testing.T) {
		h := newHouse(t)
		id := h.invited()
		token, code := h.delivered()
		h.advance(h.cfg.Policy.CodeLifetime)
		for range 3 * h.cfg.Policy.OrderAttempts {
			_, err := h.Verify(t.Context(), token, code)
			h.wantCode(err, issuance.CodeExpired)
		}
		h.wantState(id, issuance.InvitedState)
	})
	t.Run("the last administrator", func(t *testing.T) {
		h := newHouse(t)
		admin := issuance.Actor{Role: issuance.RoleAdministrator, ID: "tok-0"}
		one, _, err := h.tokens.AddToken(t.Context(), admin, staff.TokenRequest{Name: "one", Role: issuance.RoleAdministrator})
		h.ok(err)
		_, err = h.tokens.RevokeToken(t.Context(), admin, one.ID)
		h.wantCode(err, issuance.CodeState)
		_, _, err = h.tokens.AddToken(t.Context(), admin, staff.TokenRequest{Name: "two", Role: issuance.RoleAdministrator})
		h.ok(err)
		_, err = h.tokens.RevokeToken(t.Context(), admin, one.ID)
		h.ok(err)
	})
}

func TestRevokeHoldReleaseAndTheirFeed(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, _, _ := h.downloaded()
	serial := h.order(id).Serial
	_, err := h.Release(ctx, h.staff, serial, "")
	h.wantCode(err, issuance.CodeState)
	_, err = h.Hold(ctx, h.staff, serial, "lost laptop?")
	h.ok(err)
	_, err = h.Release(ctx, h.staff, serial, "found")
	h.ok(err)
	_, err = h.Revoke(ctx, h.staff, serial, "stolen", "")
	h.wantCode(err, issuance.CodeInvalid)
	_, err = h.Revoke(ctx, h.staff, serial, issuance.KeyCompromise, "stolen after all")
	h.ok(err)
	_, err = h.Revoke(ctx, h.staff, serial, issuance.KeyCompromise, "")
	h.wantCode(err, issuance.CodeState)
	_, err = h.Hold(ctx, h.staff, serial, "")
	h.wantCode(err, issuance.CodeState)

	// Revoked while the password was on its way: it is not sent any more.
	h.wantState(id, issuance.CancelledState)
	if n := len(h.post(issuance.SMS)); n != 0 || h.has(issuance.PasswordSecret, id) || h.has(issuance.PKCS12Secret, id) {
		t.Errorf("%d SMS sent; password kept %v, file kept %v", n, h.has(issuance.PasswordSecret, id), h.has(issuance.PKCS12Secret, id))
	}
	var feed []issuance.Status
	h.ok(h.store.Feed().View(ctx, func(tx issuance.FeedReader) error {
		changes, err := tx.Changes(0, 100)
		for _, c := range changes {
			feed = append(feed, c.Status)
		}
		return err
	}))
	if diff := cmp.Diff([]issuance.Status{issuance.Held, issuance.Active, issuance.Revoked}, feed); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	// Nothing was posted meanwhile: the contact hears how it stands now, once.
	if mails := h.post(issuance.Mail); len(mails) != 1 || mails[0].Certificate.Status != issuance.Revoked {
		t.Errorf("the contact got %d mails, want one that says revoked", len(mails))
	}
}

func TestAResendVoidsTheOldLinkAndSession(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session := h.verified()
	h.advance(h.cfg.Policy.CodeCooldown)
	_, err := h.Resend(ctx, h.staff, id, "")
	h.ok(err)
	_, err = h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.wantCode(err, issuance.CodeLink)
	h.wantCode(h.SendCode(ctx, token), issuance.CodeLink)
	newToken, code := h.delivered()
	_, err = h.Verify(ctx, newToken, code)
	h.ok(err)
}

func TestALinkLapsesAndStaffCanSendANewOne(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id := h.invited()
	token, code := h.delivered()
	h.advance(h.cfg.Policy.LinkLifetime)
	// Its time is over even before the sweep comes round.
	_, err := h.Verify(ctx, token, code)
	h.wantCode(err, issuance.CodeLinkExpired)
	if alive, err := h.Alive(ctx, token); alive || err != nil {
		t.Errorf("the link is alive: %v, %v", alive, err)
	}
	h.ok(h.Sweep(ctx))
	h.wantState(id, issuance.LapsedState)
	_, err = h.Resend(ctx, h.staff, id, "")
	h.ok(err)
	h.delivered()
	h.wantState(id, issuance.InvitedState)
}

func TestALookChangesNothing(t *testing.T) {
	h := newHouse(t)
	id, token, session := h.verified()
	before := h.order(id)
	for range 100 {
		if _, err := h.Look(t.Context(), token, session); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Look(t.Context(), token, issuance.Secret{}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Alive(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, h.order(id)); diff != "" {
		t.Errorf("looking changed the order:\n%s", diff)
	}
	if n := len(h.post(issuance.SMS)); n != 0 {
		t.Errorf("looking sent %d SMS", n)
	}
}

func TestAClockThatRunsBackwardsStopsIssuing(t *testing.T) {
	h := newHouse(t)
	id, token, session := h.verified()
	h.advance(-time.Hour)
	_, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.wantCode(err, issuance.CodeClock)
	h.wantState(id, issuance.VerifiedState)
	if n := h.signer.signed(); n != 0 {
		t.Errorf("%d certificates were signed", n)
	}
	h.advance(time.Hour)
	_, err = h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
}

func TestASignerThatFailsLeavesAnOrderThatCanBeClaimedAgain(t *testing.T) {
	h := newHouse(t)
	id, token, session := h.verified()
	h.signer.broken = errors.New("the HSM is away")
	if _, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{}); err == nil {
		t.Fatal("the claim succeeded")
	}
	h.wantState(id, issuance.VerifiedState)
	if got := h.certificates(issuance.CertificateQuery{Status: issuance.Abandoned}); len(got) != 1 {
		t.Errorf("%d abandoned serial numbers, want 1", len(got))
	}
	h.signer.broken = nil
	_, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
}

// another returns a second process on the same store.
func (h *house) another() *issuance.Registrar {
	h.t.Helper()
	r, err := issuance.New(h.cfg)
	h.ok(err)
	return r
}

func TestTheIntentIsRecordedBeforeAnythingIsSigned(t *testing.T) {
	h := newHouse(t)
	id, token, session := h.verified()
	reserved := h.order(id).Reserved
	if reserved == "" {
		t.Fatal("no serial number is reserved for an order that can be claimed")
	}
	f, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	if f.Certificate.Serial != reserved || h.order(id).Reserved != "" {
		t.Errorf("certificate %s was made, %s was reserved, %q still is", f.Certificate.Serial, reserved, h.order(id).Reserved)
	}
}

func TestANumberOfAKilledProcessIsNotSignedUnderAgain(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session := h.verified()
	first := h.order(id).Reserved
	// The process dies while it signs: nobody knows what it has signed.
	reached, dead, gone := make(chan struct{}), make(chan struct{}), make(chan error)
	h.signer.before = func() { close(reached); <-dead }
	go func() {
		_, err := h.Claim(ctx, token, session, issuance.ClaimRequest{})
		gone <- err
	}()
	<-reached
	h.signer.before = nil
	h.ok(h.another().Sweep(ctx))
	f, err := h.another().Claim(ctx, token, session, issuance.ClaimRequest{})
	h.ok(err)
	if f.Certificate.Serial == first {
		t.Errorf("serial number %s was used by two processes", first)
	}
	if got := h.certificates(issuance.CertificateQuery{Status: issuance.Abandoned}); len(got) != 1 || got[0].Serial != first {
		t.Errorf("abandoned serial numbers: %+v, want %s", got, first)
	}
	// Should it come back from the dead, it does not store what was given up, and
	// returns what the other has made.
	close(dead)
	h.ok(<-gone)
	if list := h.certificates(issuance.CertificateQuery{Order: id}); len(list) != 1 || list[0].Serial != f.Certificate.Serial {
		t.Errorf("certificates of the order: %+v", list)
	}
	h.signer.wantOnce(t)
}

func TestOfTwoProcessesTheOneWithTheReservedNumberStores(t *testing.T) {
	h := newHouse(t)
	id, token, session := h.verified()
	type result struct {
		serial issuance.Serial
		err    error
	}
	claim := func(r *issuance.Registrar) (goOn chan struct{}, done chan result) {
		signing := make(chan struct{})
		goOn, done = make(chan struct{}), make(chan result, 1)
		h.signer.before = func() { close(signing); <-goOn }
		go func() {
			f, err := r.Claim(t.Context(), token, session, issuance.ClaimRequest{})
			done <- result{f.Certificate.Serial, err}
		}()
		<-signing
		return goOn, done
	}
	first, overtaken := claim(h.Registrar)
	second, winner := claim(h.another())
	reserved := h.order(id).Reserved
	close(first)
	if got := <-overtaken; issuance.CodeOf(got.err) != issuance.CodeBusy {
		t.Errorf("the claim whose number was given up got %+v, want busy", got)
	}
	close(second)
	if got := <-winner; got.err != nil || got.serial != reserved {
		t.Errorf("the claim with the reserved number %s got %+v", reserved, got)
	}
	h.wantState(id, issuance.IssuedState)
}

// wantOnce wants no serial number signed under twice.
func (s *paperSigner) wantOnce(t *testing.T) {
	t.Helper()
	seen := map[issuance.Serial]bool{}
	for _, serial := range s.serials {
		if seen[serial] {
			t.Errorf("serial number %s was signed under twice", serial)
		}
		seen[serial] = true
	}
}

func TestANumberThatCouldNotBeGivenUpIsNotSignedUnderAgain(t *testing.T) {
	store := new(faultyStore)
	h := newHouse(t, func(c *issuance.Config) { store.Store = c.Store; c.Store = store })
	_, token, session := h.verified()
	h.signer.after = func() { store.full.Store(true) } // what was signed cannot be stored, nor given up
	if _, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{}); err == nil {
		t.Fatal("the claim succeeded on a full disk")
	}
	h.signer.after = nil
	store.full.Store(false)
	_, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	if n := h.signer.signed(); n != 2 {
		t.Errorf("%d certificates were signed, want 2", n)
	}
	h.signer.wantOnce(t)
}

// faultyStore is a store on a disk that may be full.
type faultyStore struct {
	issuance.Store[issuance.Snapshot, issuance.Tx]
	full atomic.Bool
}

func (s *faultyStore) Update(ctx context.Context, f func(issuance.Tx) error) error {
	if s.full.Load() {
		return errors.New("no space left on device")
	}
	return s.Store.Update(ctx, f)
}

func TestStaffMayStopAClaimThatIsUnderWay(t *testing.T) {
	for name, stop := range map[string]func(*house, issuance.OrderID) error{
		"cancel": func(h *house, id issuance.OrderID) error {
			_, err := h.Cancel(t.Context(), h.staff, id, "")
			return err
		},
		"resend": func(h *house, id issuance.OrderID) error {
			_, err := h.Resend(t.Context(), h.staff, id, "")
			return err
		},
		"disable the contact": func(h *house, _ issuance.OrderID) error {
			_, err := h.ChangeContact(t.Context(), h.staff, h.contact.ID, func(c *issuance.Contact) { c.Disabled = true })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			id, token, session := h.verified()
			h.signer.before = func() { h.ok(stop(h, id)) }
			if _, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{}); err == nil {
				t.Error("the claim succeeded")
			}
			if list := h.certificates(issuance.CertificateQuery{Order: id}); len(list) != 0 {
				t.Errorf("certificates of the order: %+v", list)
			}
			if got := h.certificates(issuance.CertificateQuery{Status: issuance.Abandoned}); len(got) != 1 {
				t.Errorf("%d abandoned serial numbers, want 1", len(got))
			}
			if h.has(issuance.PKCS12Secret, id) || h.has(issuance.PasswordSecret, id) || h.order(id).Reserved != "" {
				t.Errorf("something is left of the claim: %+v", h.order(id))
			}
		})
	}
}

func TestTooManyClaimsAreTurnedAwayEarly(t *testing.T) {
	h := newHouse(t)
	_, token, session := h.verified()
	stop := make(chan struct{})
	h.signer.before = func() { <-stop }
	type claimant struct{ token, session issuance.Secret }
	claims := []claimant{{token, session}}
	for range 60 {
		_, token, session := h.verified()
		claims = append(claims, claimant{token, session})
	}
	refused := make(chan error, len(claims))
	var all sync.WaitGroup
	for _, c := range claims {
		all.Go(func() {
			if _, err := h.Claim(t.Context(), c.token, c.session, issuance.ClaimRequest{}); err != nil {
				refused <- err
			}
		})
	}
	// Two workers and 32 waiters; the others are refused while these still wait.
	for range len(claims) - 2*17 {
		err := <-refused
		if e, ok := errors.AsType[*issuance.Error](err); !ok || e.Code != issuance.CodeBusy || e.Retry == 0 {
			t.Errorf("got %v, want busy with a time to come again", err)
		}
	}
	close(stop)
	all.Wait()
	if n := len(refused); n != 0 {
		t.Errorf("%d more claims were turned away", n)
	}
}

func TestAuditorsAndContactsChangeNothing(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id := h.invited()
	for _, by := range []issuance.Actor{{Role: issuance.RoleAuditor, ID: "tok-9"}, {Role: issuance.RoleContact, ID: "con-1"}, {}} {
		_, approve := h.Approve(ctx, by, id, "")
		_, cancel := h.Cancel(ctx, by, id, "")
		_, revoke := h.Revoke(ctx, by, "01", issuance.KeyCompromise, "")
		_, add := h.AddOrganization(ctx, by, issuance.OrganizationRequest{Organization: issuance.Organization{ID: "x", Name: "X"}})
		_, request := h.Request(ctx, by, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Another: true})
		_, _, token := h.tokens.AddToken(ctx, by, staff.TokenRequest{Name: "x", Role: issuance.RoleAdministrator})
		_, retry := h.RetryNotice(ctx, by, "msg-1")
		for verb, err := range map[string]error{"approve": approve, "cancel": cancel, "revoke": revoke, "add": add, "request": request, "token": token, "retry": retry} {
			if issuance.CodeOf(err) != issuance.CodeRole {
				t.Errorf("%q may %s: %v", by.Role, verb, err)
			}
		}
	}
}

func TestATokenOpensUntilItIsRevokedOrOver(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	admin := issuance.Actor{Role: issuance.RoleAdministrator, ID: "tok-0"}
	tok, secret, err := h.tokens.AddToken(ctx, admin, staff.TokenRequest{Name: "ci", Role: issuance.RoleOfficer, Lifetime: time.Hour})
	h.ok(err)
	if a, err := h.tokens.Authenticate(ctx, secret); err != nil || a.Role != issuance.RoleOfficer || a.ID != string(tok.ID) {
		t.Errorf("got %+v, %v", a, err)
	}
	_, err = h.tokens.Authenticate(ctx, issuance.NewSecret([]byte("pst_wrong")))
	h.wantCode(err, issuance.CodeUnauthenticated)
	h.advance(time.Hour)
	_, err = h.tokens.Authenticate(ctx, secret)
	h.wantCode(err, issuance.CodeUnauthenticated)
	h.advance(-time.Hour)
	_, err = h.tokens.RevokeToken(ctx, admin, tok.ID)
	h.ok(err)
	_, err = h.tokens.Authenticate(ctx, secret)
	h.wantCode(err, issuance.CodeUnauthenticated)
}

func TestTheSameIdempotencyKeyMakesOneThing(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	once := issuance.Once{Key: "k1", Request: "digest-1"}
	q := issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Once: once}
	first, err := h.Request(ctx, h.staff, q)
	h.ok(err)
	second, err := h.Request(ctx, h.staff, q)
	h.ok(err)
	if first.ID != second.ID {
		t.Errorf("two orders: %s, %s", first.ID, second.ID)
	}
	q.Once.Request = "digest-2"
	_, err = h.Request(ctx, h.staff, q)
	h.wantCode(err, issuance.CodeReused)
	// Another token's key is another key.
	third, err := h.Request(ctx, issuance.Actor{Role: issuance.RoleOfficer, ID: "tok-2"}, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Another: true, Once: once})
	h.ok(err)
	if third.ID == first.ID {
		t.Error("one token got what another made")
	}
}

func TestRenewalIsANewOrderAndTheOldCertificateGoesOn(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, _, _ := h.downloaded()
	h.post(issuance.SMS)
	old := h.order(id).Serial
	o, err := h.Renew(ctx, h.staff, old, "", issuance.Once{})
	h.ok(err)
	if o.Renews != old || o.Service != h.service.ID || o.Contact != h.contact.ID || o.State != issuance.RequestedState {
		t.Errorf("got %+v", o)
	}
	if c, err := h.Certificate(ctx, old); err != nil || !c.Stands(h.now()) {
		t.Errorf("the old certificate is %s, %v", c.Status, err)
	}
}

func TestCancelBeforeTheDownloadRevokesAndWipes(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session := h.verified()
	f, err := h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.ok(err)
	_, err = h.Cancel(ctx, h.staff, id, "left the company")
	h.ok(err)
	if c, err := h.Certificate(ctx, f.Certificate.Serial); err != nil || c.Status != issuance.Revoked {
		t.Errorf("the certificate is %s, %v", c.Status, err)
	}
	if h.has(issuance.PKCS12Secret, id) || h.has(issuance.PasswordSecret, id) {
		t.Error("file or password are still in the store")
	}
	_, err = h.Look(ctx, token, session)
	h.wantCode(err, issuance.CodeCancelled)
}

func TestTwoContactsOfAnOrganisationHaveTwoAddresses(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	other := h.contact
	_, err := h.AddContact(ctx, h.staff, issuance.ContactRequest{Contact: other})
	h.wantCode(err, issuance.CodeState)
	other.Email = "ben@acme.example"
	other, err = h.AddContact(ctx, h.staff, issuance.ContactRequest{Contact: other})
	h.ok(err)
	_, err = h.ChangeContact(ctx, h.staff, other.ID, func(c *issuance.Contact) { c.Email = "Anna@Acme.example" })
	h.wantCode(err, issuance.CodeState)
	_, err = h.ChangeContact(ctx, h.staff, other.ID, func(c *issuance.Contact) { c.Name = "Ben" })
	h.ok(err)
}

func TestCoolingOffAfterAChangedNumber(t *testing.T) {
	h := newHouse(t, func(c *issuance.Config) { c.Policy.CoolingOff = 24 * time.Hour })
	ctx := t.Context()
	_, err := h.ChangeContact(ctx, h.staff, h.contact.ID, func(c *issuance.Contact) { c.Mobile = "+41791234500" })
	h.ok(err)
	h.told()
	h.invited()
	token := h.post(issuance.Mail)[0].Secret
	if n := len(h.post(issuance.SMS)); n != 0 {
		t.Errorf("%d codes went to a number that had just changed", n)
	}
	h.wantCode(h.SendCode(ctx, token), issuance.CodeCoolingOff)
	h.advance(24 * time.Hour)
	h.ok(h.SendCode(ctx, token))
	if sent := h.post(issuance.SMS); len(sent) != 1 || sent[0].Notice.To != "+41791234500" {
		t.Errorf("sent %+v", sent)
	}
}

func TestCodeOnRequestAlone(t *testing.T) {
	h := newHouse(t, func(c *issuance.Config) { c.Policy.CodeOnRequest = true })
	h.invited()
	token := h.post(issuance.Mail)[0].Secret
	if n := len(h.post(issuance.SMS)); n != 0 {
		t.Errorf("%d codes went out unasked", n)
	}
	_, err := h.Verify(t.Context(), token, "12345678")
	h.wantCode(err, issuance.CodeNone)
	h.ok(h.SendCode(t.Context(), token))
	if n := len(h.post(issuance.SMS)); n != 1 {
		t.Errorf("%d codes went out, want 1", n)
	}
}

// TestACommentIsKeptAsItWasCleaned by every verb that keeps one.
func TestACommentIsKeptAsItWasCleaned(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	const typed, cleaned = "  called back\t", "called back"
	q := issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Another: true, Comment: typed}
	place := func() issuance.OrderID {
		o, err := h.Request(ctx, h.staff, q)
		h.ok(err)
		if o.Comment != cleaned {
			t.Errorf("request keeps %q", o.Comment)
		}
		return o.ID
	}
	rejected, err := h.Reject(ctx, h.staff, place(), typed)
	h.ok(err)
	cancelled, err := h.Cancel(ctx, h.staff, place(), typed)
	h.ok(err)
	serial := h.issuedNow("")
	held, err := h.Hold(ctx, h.staff, serial, typed)
	h.ok(err)
	revoked, err := h.Revoke(ctx, h.staff, serial, issuance.Superseded, typed)
	h.ok(err)
	for verb, got := range map[string]string{"reject": rejected.Comment, "cancel": cancelled.Comment, "hold": held.Comment, "revoke": revoked.Comment} {
		if got != cleaned {
			t.Errorf("%s keeps %q, want %q", verb, got, cleaned)
		}
	}
}
