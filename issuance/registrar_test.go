package issuance_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
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
