package storagetest

import (
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
)

func contact(i int, org issuance.OrgID, email string) issuance.Contact {
	return issuance.Contact{
		ID: issuance.ContactID(name("contact", i)), Organization: org, Name: "Anna Ä. \"Quote\" 😀", Email: email,
		Mobile:   "+41790000042",
		Language: "de", MayOrder: true, MayReceive: true, CreatedAt: start(), MobileChangedAt: after(time.Second),
	}
}

func testRegister(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	org := issuance.Organization{ID: "acme", Name: "Acme <Corp> & Söhne", CreatedAt: start()}
	service := issuance.Service{
		ID: "acme.payments", Organization: "acme", Name: "payments", Environment: issuance.Test,
		Key: issuance.P384, Target: issuance.Compatible, CreatedAt: start(),
	}
	token := staff.Token{
		ID: "t1", Name: "ci", Role: issuance.RoleOfficer, Digest: "d1", CreatedAt: start(),
		ExpiresAt: after(time.Hour),
	}
	contacts := []issuance.Contact{
		contact(1, "acme", "anna@acme.example"), contact(2, "acme", "Bob@acme.example"),
		contact(3, "zeta", "anna@acme.example"),
	}
	update(t, s, func(tx Tx) error {
		for _, c := range contacts {
			if err := tx.PutContact(c); err != nil {
				return err
			}
		}
		return firstError(
			tx.PutOrganization(org), tx.PutOrganization(issuance.Organization{ID: "zeta"}),
			tx.PutOrganization(issuance.Organization{ID: "beta"}),
			tx.PutService(service), tx.PutService(issuance.Service{ID: "zeta.x", Organization: "zeta"}),
			tx.PutToken(token),
		)
	})
	view(t, s, func(tx Reader) error {
		gotOrg, err1 := tx.Organization("acme")
		gotService, err2 := tx.Service("acme.payments")
		gotToken, err3 := tx.Token("t1")
		byDigest, err4 := tx.TokenByDigest("d1")
		gotContact, err5 := tx.Contact("contact00001")
		same(t, "Organization", org, gotOrg)
		same(t, "Service", service, gotService)
		same(t, "Token", token, gotToken)
		same(t, "TokenByDigest", token, byDigest)
		same(t, "Contact", contacts[0], gotContact)
		return firstError(err1, err2, err3, err4, err5)
	})
	same(t, "Organizations", []string{"acme", "beta", "zeta"},
		ids(collect(t, s, 2, func(tx Reader, p issuance.Page) ([]issuance.Organization, string, error) {
			return tx.Organizations(p)
		}), func(o issuance.Organization) string { return string(o.ID) }))
	same(t, "Tokens", []staff.Token{token}, collect(t, s, 0, func(tx Reader, p issuance.Page) ([]staff.Token, string, error) {
		return tx.Tokens(p)
	}))
	services := func(q issuance.ServiceQuery) []string {
		return ids(collect(t, s, 1, func(tx Reader, p issuance.Page) ([]issuance.Service, string, error) {
			q.Page = p
			return tx.Services(q)
		}), func(s issuance.Service) string { return string(s.ID) })
	}
	same(t, "Services", []string{"acme.payments", "zeta.x"}, services(issuance.ServiceQuery{}))
	same(t, "Services of zeta", []string{"zeta.x"}, services(issuance.ServiceQuery{Organization: "zeta"}))
	same(t, "Services of nobody", []string{}, services(issuance.ServiceQuery{Organization: "zet"}))
	same(t, "Services named so", []string{"acme.payments"}, services(issuance.ServiceQuery{Name: "PAYments"}))
	update(t, s, func(tx Tx) error {
		return tx.PutService(issuance.Service{ID: "zeta.my-page", Organization: "zeta", Name: "My page"})
	})
	for _, name := range []string{"my PAGE", "my-page", "MY-page"} {
		same(t, "Services named "+name, []string{"zeta.my-page"}, services(issuance.ServiceQuery{Name: name}))
	}
	for _, name := range []string{"my-page", "Another"} { // the same as the identifier, and not
		update(t, s, func(tx Tx) error {
			return tx.PutService(issuance.Service{ID: "zeta.my-page", Organization: "zeta", Name: name})
		})
		same(t, "Services by identifier, of name "+name, []string{"zeta.my-page"}, services(issuance.ServiceQuery{Name: "my-page"}))
	}
	update(t, s, func(tx Tx) error { return tx.DeleteService("zeta.my-page") })
	same(t, "Services that was deleted", []string{}, services(issuance.ServiceQuery{Name: "my-page"}))
	same(t, "Services of another, named so", []string{}, services(issuance.ServiceQuery{Name: "payments", Organization: "zeta"}))
	same(t, "OrganizationsNamed", []issuance.Organization{org}, read(t, s, func(tx Reader) ([]issuance.Organization, error) {
		return tx.OrganizationsNamed("ACME <corp> & SÖHNE", 2)
	}))
	testContactQueries(t, s, contacts)

	// A service that was deleted is nowhere; of one that is not there, nothing is deleted.
	update(t, s, func(tx Tx) error {
		return firstError(tx.PutService(issuance.Service{ID: "zeta.y", Organization: "zeta", Name: "y"}),
			tx.DeleteService("zeta.x"), tx.DeleteService("zeta.none"))
	})
	same(t, "Services of zeta", []string{"zeta.y"}, services(issuance.ServiceQuery{Organization: "zeta"}))
	same(t, "Services", []string{"acme.payments", "zeta.y"}, services(issuance.ServiceQuery{}))
	view(t, s, func(tx Reader) error {
		if _, err := tx.Service("zeta.x"); !isNotFound(err) {
			t.Errorf("Service that was deleted: got %v, want ErrNotFound", err)
		}
		return nil
	})

	// A token with another digest is not found by the old one.
	token.Digest = "d2"
	update(t, s, func(tx Tx) error { return tx.PutToken(token) })
	view(t, s, func(tx Reader) error {
		if _, err := tx.TokenByDigest("d1"); !isNotFound(err) {
			t.Errorf("TokenByDigest of the old digest: got %v, want ErrNotFound", err)
		}
		got, err := tx.TokenByDigest("d2")
		same(t, "TokenByDigest", token, got)
		return err
	})
}

func testContactQueries(t *testing.T, s Store, contacts []issuance.Contact) {
	list := func(q issuance.ContactQuery) []string {
		return ids(collect(t, s, 1, func(tx Reader, p issuance.Page) ([]issuance.Contact, string, error) {
			q.Page = p
			return tx.Contacts(q)
		}), func(c issuance.Contact) string { return string(c.ID)[7:] })
	}
	same(t, "all contacts", []string{"00001", "00002", "00003"}, list(issuance.ContactQuery{}))
	same(t, "of acme", []string{"00001", "00002"}, list(issuance.ContactQuery{Organization: "acme"}))
	same(t, "by e-mail", []string{"00001", "00003"}, list(issuance.ContactQuery{Email: "ANNA@acme.example"}))
	same(t, "by e-mail in any case", []string{"00002"}, list(issuance.ContactQuery{Email: "bob@ACME.example"}))
	same(t, "by half an e-mail", []string{}, list(issuance.ContactQuery{Email: "anna@acme"}))
	same(t, "by mobile", []string{"00001", "00002", "00003"}, list(issuance.ContactQuery{Mobile: "+41790000042"}))
	same(t, "by mobile, of acme", []string{"00001", "00002"}, list(issuance.ContactQuery{
		Organization: "acme", Mobile: "+41790000042",
	}))
	same(t, "by half a mobile", []string{}, list(issuance.ContactQuery{Mobile: "+4179"}))
	same(t, "by both", []string{"00003"}, list(issuance.ContactQuery{Organization: "zeta", Email: "anna@acme.example"}))

	moved := contacts[0]
	moved.Email, moved.Mobile = "new@acme.example", "+41790000043"
	update(t, s, func(tx Tx) error { return tx.PutContact(moved) })
	same(t, "by the old e-mail", []string{"00003"}, list(issuance.ContactQuery{Email: "anna@acme.example"}))
	same(t, "by the old mobile", []string{"00002", "00003"}, list(issuance.ContactQuery{Mobile: "+41790000042"}))
	same(t, "by the new mobile", []string{"00001"}, list(issuance.ContactQuery{Mobile: "+41790000043"}))
	same(t, "by the new e-mail", []string{"00001"}, list(issuance.ContactQuery{Email: "new@acme.example"}))
}

func testNotFound(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	// Records whose index entries are empty must not be found by nothing.
	update(t, s, func(tx Tx) error {
		return firstError(tx.PutOrder(issuance.Order{ID: "o"}), tx.PutToken(staff.Token{ID: "t"}),
			tx.PutNotice(issuance.Notice{ID: "n"}))
	})
	view(t, s, func(tx Reader) error {
		for what, err := range map[string]error{
			"Organization":        second(tx.Organization("none")),
			"Contact":             second(tx.Contact("none")),
			"Proposal":            second(tx.Proposal("none")),
			"ProposalByStop":      second(tx.ProposalByStop("none")),
			"ProposalByStop ''":   second(tx.ProposalByStop("")),
			"Service":             second(tx.Service("none")),
			"Order":               second(tx.Order("none")),
			"Order of no id":      second(tx.Order("")),
			"OrderByLink":         second(tx.OrderByLink("none")),
			"OrderByLink of ''":   second(tx.OrderByLink("")),
			"Certificate":         second(tx.Certificate("none")),
			"Usage":               second(tx.Usage("none")),
			"Usage of ''":         second(tx.Usage("")),
			"Notice":              second(tx.Notice("none")),
			"Secret":              second(tx.Secret(issuance.SecretRef{Kind: issuance.SeedSecret, Owner: "none"})),
			"Token":               second(tx.Token("none")),
			"TokenByDigest":       second(tx.TokenByDigest("none")),
			"TokenByDigest of ''": second(tx.TokenByDigest("")),
			"Receipt":             second(tx.Receipt("none")),
			"StoredReport":        second(tx.StoredReport("none")),
			"LastStoredReport":    second(tx.LastStoredReport(report.Daily)),
		} {
			if !isNotFound(err) {
				t.Errorf("%s: got %v, want ErrNotFound", what, err)
			}
		}
		return nil
	})
}

func second[R any](_ R, err error) error { return err }

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
