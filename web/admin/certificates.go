package admin

import (
	"context"
	"encoding/pem"
	"errors"
	"time"

	"github.com/postern-ca/postern/issuance"
)

type certificate struct {
	Serial       issuance.Serial       `json:"serial"`
	Status       issuance.Status       `json:"status"`
	Expired      bool                  `json:"expired"`
	Order        issuance.OrderID      `json:"order"`
	Organization issuance.OrgID        `json:"organization"`
	Service      issuance.ServiceID    `json:"service"`
	Contact      issuance.ContactID    `json:"contact"`
	Issuer       string                `json:"issuer"`
	IssuedAt     time.Time             `json:"issued_at,omitzero"`
	NotBefore    time.Time             `json:"not_before,omitzero"`
	NotAfter     time.Time             `json:"not_after,omitzero"`
	Key          issuance.KeyAlgorithm `json:"key"`
	Fingerprint  string                `json:"fingerprint"`
	FromCSR      bool                  `json:"from_csr"`
	Renews       issuance.Serial       `json:"renews"`
	RenewedBy    issuance.Serial       `json:"renewed_by,omitempty"`
	Reason       issuance.Reason       `json:"reason"`
	Comment      string                `json:"comment"`
	ChangedAt    time.Time             `json:"changed_at,omitzero"`
	ChangedBy    issuance.Actor        `json:"changed_by,omitzero"`
	RevokedAt    time.Time             `json:"revoked_at,omitzero"`
	PEM          string                `json:"pem,omitempty"`          // where one certificate is shown
	Ancestry     []ancestor            `json:"ancestry,omitempty"`     // where one certificate is shown
	AlsoRevoked  []certificate         `json:"also_revoked,omitempty"` // where one was revoked
	uses
}

// ancestor is a certificate that the one shown succeeds.
type ancestor struct {
	Serial   issuance.Serial `json:"serial"`
	Status   issuance.Status `json:"status"`
	Reason   issuance.Reason `json:"reason"`
	IssuedAt time.Time       `json:"issued_at,omitzero"`
	ByKey    bool            `json:"by_key"`
}

// uses are part of certificates that are shown or listed.
type uses struct {
	FirstUsedAt   time.Time     `json:"first_used_at,omitzero"`
	LastUsedAt    time.Time     `json:"last_used_at,omitzero"`
	Uses          uint64        `json:"uses,omitzero"`
	RefusedUses   uint64        `json:"refused_uses,omitzero"`
	LastRefusedAt time.Time     `json:"last_refused_at,omitzero"`
	LastRefusal   issuance.Code `json:"last_refusal,omitzero"`
}

// seen is a certificate with its uses.
type seen struct {
	certificate issuance.Certificate
	usage       issuance.Usage
}

// withUses adds the uses to certificates.
func withUses(tx issuance.Reader, found ...issuance.Certificate) ([]seen, error) {
	out := make([]seen, len(found))
	for i, c := range found {
		u, err := tx.Usage(c.Serial)
		if err != nil && !errors.Is(err, issuance.ErrNotFound) {
			return nil, err
		}
		out[i] = seen{c, u}
	}
	return out, nil
}

func (a *API) viewSeen(s seen) certificate {
	view, u := a.viewCertificate(s.certificate), s.usage
	view.uses = uses{u.First, u.Last, u.Count, u.Refused, u.RefusedLast, u.RefusedCode}
	return view
}

func (a *API) viewCertificate(c issuance.Certificate) certificate {
	return certificate{
		Serial: c.Serial, Status: c.Status, Expired: !c.NotAfter.IsZero() && c.Expired(a.opts.Now()), Order: c.Order,
		Organization: c.Organization, Service: c.Service, Contact: c.Contact, Issuer: c.Issuer, IssuedAt: c.IssuedAt,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Key: c.Key, Fingerprint: c.Fingerprint, FromCSR: c.FromCSR,
		Renews: c.Renews, RenewedBy: c.RenewedBy, Reason: c.Reason, Comment: c.Comment, ChangedAt: c.ChangedAt,
		ChangedBy: c.ChangedBy, RevokedAt: c.RevokedAt,
	}
}

func (a *API) listCertificates(c *call) (any, error) {
	q := c.listing("status", "organization", "service", "contact", "order", "issued_from", "issued_before",
		"expires_from", "expires_before", "need")
	find := issuance.CertificateQuery{
		Status:     oneOf(q, "status", issuance.Active, issuance.Held, issuance.Revoked, issuance.Abandoned),
		IssuedFrom: q.time("issued_from"), IssuedBefore: q.time("issued_before"),
		ExpiresFrom: q.time("expires_from"), ExpiresBefore: q.time("expires_before"),
		Need: oneOf(q, "need", issuance.Needs()...), Page: q.page(),
	}
	typed := q.party()
	if q.err != nil {
		return nil, q.err
	}
	if find.Need != "" {
		due := issuance.Needing(find.Need, a.opts.Now())
		if find.IssuedBefore.IsZero() || !due.IssuedBefore.IsZero() && due.IssuedBefore.Before(find.IssuedBefore) {
			find.IssuedBefore = due.IssuedBefore
		}
		if find.ExpiresFrom.Before(due.ExpiresFrom) {
			find.ExpiresFrom = due.ExpiresFrom
		}
	}
	return listOf(a.opts.Registrar.Read, c, func(tx issuance.Reader) ([]seen, string, error) {
		who, err := a.opts.Registrar.Resolver(tx).Party(typed)
		if err != nil {
			return nil, "", err
		}
		find.Organization, find.Service, find.Contact, find.Order = who.Organization, who.Service, who.Contact, who.Order
		found, next, err := tx.Certificates(find)
		if err != nil {
			return nil, "", err
		}
		all, err := withUses(tx, found...)
		return all, next, err
	}, a.viewSeen)
}

func (a *API) showCertificate(c *call) (any, error) {
	serial, err := c.serial()
	if err == nil {
		err = c.noQuery()
	}
	if err != nil {
		return nil, err
	}
	found, err := a.opts.Registrar.Certificate(c.r.Context(), serial)
	if err != nil {
		return nil, err
	}
	var all []seen
	var line []issuance.Ancestor
	if err := a.opts.Registrar.Read(c.r.Context(), func(tx issuance.Reader) error {
		if all, err = withUses(tx, found); err == nil {
			line, err = issuance.Ancestry(tx, found)
		}
		return err
	}); err != nil {
		return nil, err
	}
	view := a.viewSeen(all[0])
	for _, f := range line {
		view.Ancestry = append(view.Ancestry, ancestor{f.Serial, f.Status, f.Reason, f.IssuedAt, f.ByKey})
	}
	view.PEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: found.DER}))
	return view, nil
}

func (a *API) renewCertificate(c *call) (any, error) {
	var comment string
	once, err := c.create(fields{"comment": text(&comment)})
	if err != nil {
		return nil, err
	}
	serial, err := c.serial()
	if err != nil {
		return nil, err
	}
	o, err := a.opts.Registrar.Renew(c.r.Context(), c.by, serial, comment, once)
	return created{"/orders/" + string(o.ID), viewOrder(o)}, err
}

// onCertificate is the endpoint of a verb of the registrar on one certificate.
func (a *API) onCertificate(
	verb func(context.Context, issuance.Actor, issuance.Serial, string) (issuance.Certificate, error),
) func(*call) (any, error) {
	return func(c *call) (any, error) {
		var comment string
		if _, err := c.read(fields{"comment": text(&comment)}); err != nil {
			return nil, err
		}
		serial, err := c.serial()
		if err != nil {
			return nil, err
		}
		changed, err := verb(c.r.Context(), c.by, serial, comment)
		return viewed(changed, err, a.viewCertificate)
	}
}
