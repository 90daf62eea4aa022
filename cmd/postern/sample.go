package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// sample makes what quickstart begins with, unless it is there, and returns the
// administrator's token and the first order that waits for approval, if any does.
func (h *house) sample(ctx context.Context) (token issuance.Secret, order issuance.OrderID, err error) {
	if token, err = h.keptToken(ctx); err != nil {
		return token, "", err
	}
	staff, err := h.staff.Authenticate(ctx, token)
	if err != nil {
		return token, "", fmt.Errorf("using the token in %s: %w", filepath.Join(h.cfg.Data, tokenFile), err)
	}
	if err := h.sampleOrder(bySelf(ctx), staff); err != nil {
		return token, "", err
	}
	err = h.registrar.Read(ctx, func(tx issuance.Reader) error {
		waiting, _, err := tx.Orders(issuance.OrderQuery{State: issuance.RequestedState, Page: issuance.Page{Limit: 1}})
		if len(waiting) > 0 {
			order = waiting[0].ID
		}
		return err
	})
	return token, order, err
}

// bySelf returns a context for what the program does in somebody's name, without a
// request.
func bySelf(ctx context.Context) context.Context {
	return issuance.WithOrigin(ctx, issuance.Origin{Address: issuance.ServerOrigin})
}

// keptToken returns the token in the data directory, which it makes at the first start.
func (h *house) keptToken(ctx context.Context) (issuance.Secret, error) {
	path := filepath.Join(h.cfg.Data, tokenFile)
	text, err := os.ReadFile(path)
	if err == nil {
		return issuance.NewSecret([]byte(strings.TrimSpace(string(text)))), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return issuance.Secret{}, fmt.Errorf("reading the administrator's token: %w", err)
	}
	_, token, err := h.staff.AddToken(ctx, issuance.System("quickstart"), staff.TokenRequest{
		Name: "quickstart",
		Role: issuance.RoleAdministrator,
	})
	if err != nil {
		return token, err
	}
	return token, writeNew(path, append(token.Reveal(), '\n'), 0o600)
}

// sampleOrder places an order, unless there is one.
func (h *house) sampleOrder(ctx context.Context, staff issuance.Actor) error {
	contact, service, err := h.sampleParties(ctx, staff)
	if err != nil {
		return err
	}
	var begun bool
	err = h.registrar.Read(ctx, func(tx issuance.Reader) error {
		orders, _, err := tx.Orders(issuance.OrderQuery{Page: issuance.Page{Limit: 1}})
		begun = len(orders) > 0
		return err
	})
	if err != nil || begun {
		return err
	}
	_, err = h.registrar.Request(ctx, staff, issuance.OrderRequest{Service: service, Contact: contact})
	return err
}

// sampleParties registers an organisation with a contact and a service, as far
// as they are not there.
func (h *house) sampleParties(ctx context.Context, staff issuance.Actor) (issuance.ContactID, issuance.ServiceID, error) {
	_, err := h.registrar.AddOrganization(ctx, staff, issuance.OrganizationRequest{
		Organization: issuance.Organization{ID: "acme", Name: "Acme Trading Ltd"},
	})
	if err != nil && issuance.KindOf(err) != issuance.Conflict {
		return "", "", err
	}
	contact := issuance.Contact{
		Organization: "acme", Name: "Anna Example", Email: "anna@acme.example", Mobile: "+12025550142",
		Language: "en", MayOrder: true, MayReceive: true,
	}
	_, err = h.registrar.AddContact(ctx, staff, issuance.ContactRequest{Contact: contact})
	if err != nil && issuance.KindOf(err) != issuance.Conflict {
		return "", "", err
	}
	_, err = h.registrar.AddService(ctx, staff, issuance.ServiceRequest{
		Service: issuance.Service{Organization: "acme", Name: "payments"},
	})
	if err != nil && issuance.KindOf(err) != issuance.Conflict {
		return "", "", err
	}
	var id issuance.ContactID
	err = h.registrar.Read(ctx, func(tx issuance.Reader) error {
		found, _, err := tx.Contacts(issuance.ContactQuery{Organization: "acme", Email: contact.Email})
		if err == nil && len(found) == 0 {
			err = errors.New("the sample contact is not in the database")
		}
		if err == nil {
			id = found[0].ID
		}
		return err
	})
	return id, "acme.payments", err
}
