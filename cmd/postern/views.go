package main

import (
	"context"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/web/trust"
)

// What follows gives web/trust what ca makes: neither knows the other.

func (h *house) issuers() []trust.Issuer {
	var out []trust.Issuer
	for _, i := range h.authority.Issuers() {
		out = append(out, trust.Issuer{ID: i.ID, Certificate: i.Certificate})
	}
	return out
}

func (h *house) crl(issuer string) (trust.Document, error) {
	c, err := h.publisher.CRL(issuer)
	if err != nil {
		return trust.Document{}, err
	}
	return trust.Document{ETag: c.ETag, Size: c.Size, ThisUpdate: c.ThisUpdate, NextUpdate: c.NextUpdate, WriteTo: c.WriteTo}, nil
}

func (h *house) bundle() (trust.Document, error) { return bundleDocument(h.publisher.Bundle()) }

func (h *house) waitBundle(ctx context.Context, etag string) (trust.Document, error) {
	return bundleDocument(h.publisher.WaitBundle(ctx, etag))
}

func bundleDocument(b *ca.Bundle, err error) (trust.Document, error) {
	if err != nil {
		return trust.Document{}, err
	}
	d := trust.Document{ETag: b.ETag, Size: b.Size, WriteTo: b.WriteTo}
	for _, c := range b.CRLs {
		if c.ThisUpdate.After(d.ThisUpdate) {
			d.ThisUpdate = c.ThisUpdate
		}
		if d.NextUpdate.IsZero() || c.NextUpdate.Before(d.NextUpdate) {
			d.NextUpdate = c.NextUpdate
		}
	}
	return d, nil
}

func (h *house) ocsp(ctx context.Context, request []byte) trust.Answer {
	a := h.responder.Respond(ctx, request)
	return trust.Answer{DER: a.DER, Cacheable: a.Cacheable, ThisUpdate: a.ThisUpdate, NextUpdate: a.NextUpdate, ETag: a.ETag}
}

func ocspFromPath(path string) ([]byte, error) { return ca.RequestFromPath(path) }
