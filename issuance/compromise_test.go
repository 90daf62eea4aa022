package issuance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// late sets the clock to the last part of c's life.
func (h inkHouse) late(c issuance.Certificate) issuance.Certificate {
	h.set(c.NotAfter.Add(-30 * 24 * time.Hour))
	return c
}

// chain returns a certificate, its successor for the thief's key, and that one's.
func (h inkHouse) chain(keys ...*ecdsa.PrivateKey) (all []issuance.Certificate) {
	h.t.Helper()
	all = append(all, h.late(h.enrolled(keys[0])))
	for i, key := range keys[1:] {
		next, err := h.renew(all[i], key)
		h.ok(err)
		all = append(all, h.late(next))
	}
	return all
}

func (h inkHouse) wantRevoked(reason issuance.Reason, all ...issuance.Certificate) {
	h.t.Helper()
	for i, c := range all {
		got, err := h.Certificate(h.t.Context(), c.Serial)
		if err != nil || got.Status != issuance.Revoked || got.Reason != reason {
			h.t.Errorf("certificate %d is %s (%s), %v; want revoked (%s)", i, got.Status, got.Reason, err, reason)
		}
	}
}

func serialsOf(all []issuance.Certificate) (out []string) {
	for _, c := range all {
		out = append(out, string(c.Serial))
	}
	slices.Sort(out)
	return out
}

func TestACompromiseFollowsTheKey(t *testing.T) {
	h := newInkHouse(t)
	stolen, thief, again := newECKey(t), newECKey(t), newECKey(t)
	all := h.chain(stolen, thief, again)
	twin := h.enrolled(stolen) // of the same organisation
	bystander := h.enrolled(newECKey(t))
	h.post(issuance.Mail)

	open, err := h.CompromiseOf(t.Context(), all[0].Serial)
	h.ok(err)
	want := serialsOf(append(slices.Clone(all), twin))
	if diff := cmp.Diff(want, serialsOf(open)); diff != "" {
		t.Errorf("what would be taken along (-want +got):\n%s", diff)
	}
	ask := issuance.RevokeRequest{Serial: all[0].Serial, Reason: issuance.KeyCompromise, Count: 3}
	_, _, err = h.RevokeAll(t.Context(), h.staff, ask)
	h.wantCode(err, issuance.CodeRecounted)
	if c, err := h.Certificate(t.Context(), all[0].Serial); err != nil || c.Status != issuance.Active {
		t.Errorf("after a refusal it is %s, %v", c.Status, err)
	}
	ask.Count = 4
	named, also, err := h.RevokeAll(t.Context(), h.staff, ask)
	h.ok(err)
	if diff := cmp.Diff(want, serialsOf(append(also, named))); diff != "" || named.Serial != all[0].Serial {
		t.Errorf("the answer names %s, and (-want +got):\n%s", named.Serial, diff)
	}
	h.wantRevoked(issuance.KeyCompromise, append(all, twin)...)
	if c, err := h.Certificate(t.Context(), bystander.Serial); err != nil || c.Status != issuance.Active {
		t.Errorf("the bystander is %s, %v", c.Status, err)
	}
	for i, key := range []*ecdsa.PrivateKey{stolen, thief, again} {
		_, err := h.renew(h.late(bystander), key)
		if h.wantCode(err, issuance.CodeCSR); err != nil && !strings.Contains(err.Error(), "compromised") {
			t.Errorf("key %d is refused with %v", i, err)
		}
	}
	h.wantTold(want)
}

// wantTold looks for a mail to the contact and one to staff that list all.
func (h inkHouse) wantTold(all []string) {
	h.t.Helper()
	var contact, staff []string
	for _, d := range h.post(issuance.Mail) {
		switch d.Notice.Kind {
		case issuance.RevokedNotice:
			contact = append(contact, serialsOf(append(d.Also, d.Certificate))...)
		case issuance.AlertNotice:
			staff = append(staff, d.Notice.Text)
		}
	}
	if diff := cmp.Diff(all, contact); diff != "" {
		h.t.Errorf("the contact's mail (-want +got):\n%s", diff)
	}
	for _, serial := range all {
		if len(staff) != 1 || !strings.Contains(staff[0], serial) {
			h.t.Errorf("staff were told %q, want %s in it", staff, serial)
		}
	}
}

// TestASuccessorThatWasForgottenIsFound: the one that a certificate names as its
// successor is the last; those before may have had successors of their own.
func TestASuccessorThatWasForgottenIsFound(t *testing.T) {
	h := newInkHouse(t, func(c *issuance.Config) { c.Policy.Reenroll = 2 * 365 * 24 * time.Hour })
	first := h.late(h.enrolled(newECKey(t)))
	lost, err := h.renew(first, newECKey(t))
	h.ok(err)
	h.advance(24 * time.Hour)
	far, err := h.renew(lost, newECKey(t))
	h.ok(err)
	_, err = h.Revoke(t.Context(), h.staff, lost.Serial, issuance.Superseded, "")
	h.ok(err)
	last, err := h.renew(first, newECKey(t))
	h.ok(err)
	_, err = h.Revoke(t.Context(), h.staff, first.Serial, issuance.KeyCompromise, "")
	h.ok(err)
	h.wantRevoked(issuance.KeyCompromise, first, lost, far, last)
}

// TestAReasonIsMadeWorseAndNeverBetter, and keeps its date.
func TestAReasonIsMadeWorseAndNeverBetter(t *testing.T) {
	h := newInkHouse(t)
	key := newECKey(t)
	c := h.enrolled(key)
	_, err := h.Revoke(t.Context(), h.staff, c.Serial, issuance.Superseded, "")
	h.ok(err)
	since := h.now()
	h.advance(time.Hour)
	for _, better := range []issuance.Reason{issuance.Unspecified, issuance.Superseded, issuance.PrivilegeWithdrawn} {
		_, err = h.Revoke(t.Context(), h.staff, c.Serial, better, "")
		h.wantCode(err, issuance.CodeState)
	}
	worse, err := h.Revoke(t.Context(), h.staff, c.Serial, issuance.KeyCompromise, "it was stolen")
	h.ok(err)
	if worse.Reason != issuance.KeyCompromise || !worse.Since().Equal(since) || worse.ChangedAt.Equal(since) {
		t.Errorf("got %s, revoked %v, changed %v; want keyCompromise, revoked %v", worse.Reason, worse.Since(), worse.ChangedAt, since)
	}
	h.ok(h.store.Feed().View(t.Context(), func(tx issuance.FeedReader) error {
		n := 0
		err := tx.Revocations("issuing-1", func(r issuance.Revocation) error {
			if n++; r.Reason != issuance.KeyCompromise || !r.At.Equal(since) {
				t.Errorf("the CRL gets %s at %v, want keyCompromise at %v", r.Reason, r.At, since)
			}
			return nil
		})
		if n != 1 {
			t.Errorf("the CRL gets %d entries, want 1", n)
		}
		return err
	}))
	for _, reason := range issuance.Reasons() {
		_, err = h.Revoke(t.Context(), h.staff, c.Serial, reason, "")
		h.wantCode(err, issuance.CodeState)
	}
	h.invited()
	token, code := h.delivered()
	_, err = h.enroll(token, code, h.csr(key))
	h.wantCode(err, issuance.CodeCSR)
}

// TestAnOldCompromiseIsFollowedToo: what was revoked by a program that took nothing
// along is revoked once more.
func TestAnOldCompromiseIsFollowedToo(t *testing.T) {
	h := newInkHouse(t)
	all := h.chain(newECKey(t), newECKey(t))
	h.ok(h.store.Update(t.Context(), func(tx issuance.Tx) error {
		c, err := tx.Certificate(all[0].Serial)
		c.Status, c.Reason = issuance.Revoked, issuance.KeyCompromise
		if err != nil {
			return err
		}
		return tx.PutCertificate(c)
	}))
	_, also, err := h.RevokeAll(t.Context(), h.staff, issuance.RevokeRequest{Serial: all[0].Serial, Reason: issuance.KeyCompromise})
	h.ok(err)
	if len(also) != 1 || also[0].Serial != all[1].Serial {
		t.Errorf("taken along: %v", serialsOf(also))
	}
	h.wantRevoked(issuance.KeyCompromise, all...)
	_, err = h.Revoke(t.Context(), h.staff, all[0].Serial, issuance.KeyCompromise, "")
	h.wantCode(err, issuance.CodeState)
}

func TestOtherReasonsTakeNothingAlong(t *testing.T) {
	h := newInkHouse(t)
	all := h.chain(newECKey(t), newECKey(t))
	_, also, err := h.RevokeAll(t.Context(), h.staff, issuance.RevokeRequest{Serial: all[0].Serial, Reason: issuance.Superseded})
	h.ok(err)
	if c, err := h.Certificate(t.Context(), all[1].Serial); err != nil || c.Status != issuance.Active || len(also) != 0 {
		t.Errorf("the successor is %s, %v; taken along: %v", c.Status, err, serialsOf(also))
	}
}

// brought is a house whose CSRs are for whatever key is set.
func brought(t *testing.T) (*house, *crypto.PublicKey) {
	t.Helper()
	key := new(crypto.PublicKey)
	return newHouse(t, func(c *issuance.Config) {
		c.ReadCSR = func([]byte) (crypto.PublicKey, error) { return *key, nil }
	}), key
}

// claim claims a new order of the house's service with a CSR.
func (h *house) claim() (issuance.File, error) {
	h.t.Helper()
	_, token, session := h.verified()
	return h.Claim(h.t.Context(), token, session, issuance.ClaimRequest{CSR: []byte("csr")})
}

// TestTheSameSecretIsTheSameKey: who has one private key has that of the same
// modulus with another exponent, and of the point on the other side.
func TestTheSameSecretIsTheSameKey(t *testing.T) {
	modulus, ok := new(big.Int).SetString("c0"+strings.Repeat("1f", 255)+"01", 16)
	ec := newECKey(t).PublicKey
	point := must(t)(ec.Bytes()) // 4, x, y
	y := point[1+32:]
	new(big.Int).Sub(elliptic.P256().Params().P, new(big.Int).SetBytes(y)).FillBytes(y)
	turned, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(nil)
	if !ok || err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(edwards)
	other[31] ^= 0x80
	for name, pair := range map[string][2]crypto.PublicKey{
		"another exponent": {&rsa.PublicKey{N: modulus, E: 65537}, &rsa.PublicKey{N: modulus, E: 65539}},
		"the other point":  {&ec, turned},
		"the other sign":   {edwards, other},
	} {
		t.Run(name, func(t *testing.T) {
			h, key := brought(t)
			*key = pair[0]
			f, err := h.claim()
			h.ok(err)
			_, err = h.Revoke(t.Context(), h.staff, f.Certificate.Serial, issuance.KeyCompromise, "")
			h.ok(err)
			*key = pair[1]
			_, err = h.claim()
			h.wantCode(err, issuance.CodeCSR)
		})
	}
}

func must(t *testing.T) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// other moves the house to another organisation, with a contact and a service.
func (h *house) other() {
	h.t.Helper()
	ctx := h.t.Context()
	_, err := h.AddOrganization(ctx, h.staff, issuance.OrganizationRequest{Organization: issuance.Organization{ID: "zeta", Name: "Zeta Ltd"}})
	h.ok(err)
	h.contact, err = h.AddContact(ctx, h.staff, issuance.ContactRequest{Contact: issuance.Contact{
		Organization: "zeta", Name: "Zoe Example", Email: "zoe@zeta.example", Mobile: "+41791234599", MayOrder: true, MayReceive: true,
	}})
	h.ok(err)
	h.service, err = h.AddService(ctx, h.staff, issuance.ServiceRequest{Service: issuance.Service{Organization: "zeta", Name: "orders"}})
	h.ok(err)
}

func TestAKeyIsCertifiedForOneOrganisation(t *testing.T) {
	h, key := brought(t)
	*key = newECKey(t).Public()
	_, err := h.claim()
	h.ok(err)
	_, err = h.claim() // the same organisation may
	h.ok(err)
	h.other()
	_, err = h.claim()
	h.wantCode(err, issuance.CodeCSR)
	if text := strings.ToLower(fmt.Sprint(err)); strings.Contains(text, "acme") || strings.Contains(text, "anna") || strings.Contains(text, "payments") {
		t.Errorf("the refusal names the other customer: %q", text)
	}
	*key = newECKey(t).Public()
	_, err = h.claim()
	h.ok(err)
}

// TestAKeyIsLookedAtOnceMoreWhenItsCertificateIsStored: what happens while it is
// signed counts as what happened before.
func TestAKeyIsLookedAtOnceMoreWhenItsCertificateIsStored(t *testing.T) {
	for name, meanwhile := range map[string]func(*house, issuance.Certificate) error{
		"compromised": func(h *house, c issuance.Certificate) error {
			_, err := h.Revoke(h.t.Context(), h.staff, c.Serial, issuance.KeyCompromise, "")
			return err
		},
		"certified for another organisation": func(h *house, c issuance.Certificate) error {
			return h.store.Update(h.t.Context(), func(tx issuance.Tx) error {
				c.Organization = "zeta"
				return tx.PutCertificate(c)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, key := brought(t)
			*key = newECKey(t).Public()
			f, err := h.claim()
			h.ok(err)
			h.signer.before = func() { h.ok(meanwhile(h, f.Certificate)) }
			_, err = h.claim()
			h.wantCode(err, issuance.CodeCSR)
			if n := len(h.certificates(issuance.CertificateQuery{Status: issuance.Active, Organization: "acme"})); n > 1 {
				t.Errorf("%d certificates for the key are active", n)
			}
		})
	}
}

func TestAncestry(t *testing.T) {
	h := newInkHouse(t)
	all := h.chain(newECKey(t), newECKey(t), newECKey(t))
	h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
		line, err := issuance.Ancestry(tx, all[2])
		if len(line) != 2 || line[0].Serial != all[1].Serial || line[1].Serial != all[0].Serial || !line[0].ByKey || !line[1].ByKey {
			t.Errorf("got %+v", line)
		}
		return err
	}))
}
