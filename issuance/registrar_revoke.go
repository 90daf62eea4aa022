package issuance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// RevokeRequest says which certificate is to be revoked, and why.
type RevokeRequest struct {
	Serial  Serial
	Reason  Reason
	Comment string
	// Count, unless it is 0, is how many certificates whoever asks was told of: if it
	// has become another number, nothing is revoked.
	Count int
}

// Revoke is [Registrar.RevokeAll] for whoever needs to know of the one certificate alone.
func (r *Registrar) Revoke(ctx context.Context, by Actor, serial Serial, reason Reason, note string) (Certificate, error) {
	c, _, err := r.RevokeAll(ctx, by, RevokeRequest{Serial: serial, Reason: reason, Comment: note})
	return c, err
}

// RevokeAll ends a certificate, for good. As keyCompromise it takes along what
// [Registrar.CompromiseOf] returns: every certificate for the same key, and every
// successor that was obtained by it, of those too, to any depth; their keys are
// never certified again. All of it is one transaction. Every view of them (CRL,
// OCSP, checks) follows within a second; their contacts, and staff, are told.
//
// One that was revoked for another reason gets that of keyCompromise, and keeps its date.
func (r *Registrar) RevokeAll(ctx context.Context, by Actor, q RevokeRequest) (named Certificate, also []Certificate, err error) {
	if !slices.Contains(Reasons(), q.Reason) {
		return Certificate{}, nil, q.Reason.unknown()
	}
	q.Comment, err = cleanComment("comment", q.Comment)
	if err := errors.Join(by.May(RevokeVerb, CertificateNoun), err); err != nil {
		return Certificate{}, nil, err
	}
	err = r.update(ctx, func(w *work) (err error) {
		if named, err = issued(w, q.Serial); err != nil {
			return err
		}
		named, also, err = w.revokeAll(by, named, q)
		return err
	})
	return named, also, err
}

func (w *work) revokeAll(by Actor, first Certificate, q RevokeRequest) (named Certificate, also []Certificate, err error) {
	open := []Certificate{first}
	if q.Reason == KeyCompromise {
		if open, err = w.compromised(first); err != nil {
			return first, nil, err
		}
	}
	switch {
	case len(open) == 0:
		return first, nil, first.allow(RevokeVerb, Active, Held)
	case q.Count != 0 && q.Count != len(open):
		return first, nil, recounted(first.Serial, len(open))
	}
	named = first
	var all []Certificate
	for _, c := range open {
		if c, err = w.revokeOne(by, c.Serial, q); err != nil {
			return first, nil, err
		}
		if all = append(all, c); c.Serial == first.Serial {
			named = c
		} else {
			also = append(also, c)
		}
	}
	return named, also, w.tellRevoked(named, also, all)
}

func recounted(serial Serial, now int) error {
	return &Error{
		Kind: Conflict, Code: CodeRecounted, Field: "count",
		Message: fmt.Sprintf("revoking it would now revoke %d certificates; nothing was revoked", now),
		Hint:    "look at what it takes along again", Next: Next{ShowVerb, CertificateNoun, string(serial)},
	}
}

// revokeOne revokes the certificate with serial, as it stands in this transaction.
func (w *work) revokeOne(by Actor, serial Serial, q RevokeRequest) (c Certificate, err error) {
	if c, err = w.Certificate(serial); err != nil {
		return c, err
	}
	detail := map[string]string{}
	if c.Status == Revoked {
		detail["reason_before"] = string(c.Reason)
	}
	if serial != q.Serial {
		detail["because_of"] = string(q.Serial)
	}
	if err := c.Revoke(q.Reason, by, q.Comment, w.now); err != nil {
		return c, err
	}
	if mark := c.Mark(); q.Reason == KeyCompromise && mark != "" { // an unreadable one is revoked all the same
		if err := w.PutCompromised(mark); err != nil {
			return c, err
		}
	}
	if err := w.endDelivery(&c); err != nil {
		return c, err
	}
	return c, w.changed(by, RevokeVerb, c, q.Comment, detail)
}

// tellRevoked tells each contact of their own certificates, and staff of all that
// were taken along.
func (w *work) tellRevoked(named Certificate, also, all []Certificate) error {
	mine := make(map[ContactID][]Certificate)
	for _, c := range all {
		mine[c.Contact] = append(mine[c.Contact], c)
	}
	for _, id := range slices.Sorted(maps.Keys(mine)) {
		to, err := w.Contact(id)
		if err != nil {
			return err
		}
		first := mine[id][0]
		n := Notice{
			Kind: RevokedNotice, Order: first.Order, Serial: first.Serial, Contact: to.ID, To: to.Email,
			Language: to.Language, Text: string(Revoked),
		}
		for _, c := range mine[id][1:] {
			n.Also = append(n.Also, c.Serial)
		}
		if err := w.Enqueue(n); err != nil {
			return err
		}
	}
	if len(also) == 0 {
		return nil
	}
	return w.Alert(named.Order, takenAlong(named, also))
}

// mostListed is how many certificates a mail lists; the rest it counts.
const mostListed = 100

func takenAlong(named Certificate, also []Certificate) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The key of certificate %s of %s was compromised. Revoked with it, because they are for the "+
		"same key or were obtained with it: %d.\n",
		named.Serial, named.Service, len(also))
	for i, c := range also {
		if i == mostListed {
			fmt.Fprintf(&b, "and %d more\n", len(also)-i)
			break
		}
		fmt.Fprintf(&b, "%s of %s\n", c.Serial, c.Service)
	}
	return b.String()
}

// changed stores c after a change of its status, for CRL and OCSP too. More is
// what its audit record says beside reason and comment.
func (w *work) changed(by Actor, verb Verb, c Certificate, note string, more map[string]string) error {
	if err := w.PutCertificate(c); err != nil {
		return err
	}
	if err := w.AppendRevocation(c.Revocation()); err != nil {
		return err
	}
	if err := w.successorGone(c); err != nil {
		return err
	}
	detail := comment(note)
	if c.Reason != "" {
		detail = map[string]string{"reason": string(c.Reason), "comment": note}
		maps.Copy(detail, more)
	}
	w.StatusChanged()
	w.Audit(by, verb, AuditRecord{Organization: c.Organization, Order: c.Order, Serial: c.Serial, Detail: detail})
	return nil
}

// revoke revokes what was issued for an order that does not go on.
func (w *work) revoke(by Actor, serial Serial, reason Reason, why string) error {
	c, err := w.Certificate(serial)
	if err != nil || c.Status == Revoked {
		return err
	}
	if err := c.Revoke(reason, by, why, w.now); err != nil {
		return err
	}
	return w.changed(by, RevokeVerb, c, why, nil)
}

// endDelivery ends the order of a certificate that was revoked: file and
// password are wiped, whether they were delivered or not.
func (w *work) endDelivery(c *Certificate) error {
	o, err := w.order(c.Order)
	if err != nil || o.Serial != c.Serial {
		return err
	}
	if o.State == CompletedState && o.Wiped {
		return w.forget(o.ID, PasswordSecret) // which a message that is sent again may still wait for
	}
	if err := o.Revoked(w.now); err != nil {
		return err
	}
	if err := w.forget(o.ID, SeedSecret, PKCS12Secret, PasswordSecret); err != nil {
		return err
	}
	return w.put(&o)
}
