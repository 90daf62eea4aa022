package issuance_test

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

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
