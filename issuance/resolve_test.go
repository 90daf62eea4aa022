package issuance_test

import (
	"testing"

	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// TestAddressesAreFoundInEitherForm has a contact whose mail domain has a letter
// beyond ASCII: people look for it as it reads, programs as it is kept.
func TestAddressesAreFoundInEitherForm(t *testing.T) {
	h := newHouse(t, func(c *issuance.Config) { c.ASCIIAddress = delivery.ASCIIAddress })
	const typed, kept = "jörg.m@müller.example", "jm@xn--mller-kva.example"
	c, err := h.AddContact(t.Context(), h.staff, issuance.ContactRequest{Contact: issuance.Contact{
		Organization: "acme", Name: "Jörg Müller", Email: "jm@müller.example", Mobile: "+4915112345678", MayReceive: true,
	}})
	h.ok(err)
	if c.Email != kept {
		t.Fatalf("kept as %q, want %q", c.Email, kept)
	}
	h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
		look := h.Resolver(tx)
		for _, q := range []string{"jm@müller.example", "JM@MÜLLER.example", "Jörg Müller <jm@müller.example>", "mailto:jm@müller.example", kept} {
			found, err := look.Find(q)
			h.ok(err)
			if id, err := look.Contact(q, ""); err != nil || id != c.ID || len(found.Contacts) != 1 {
				t.Errorf("%s: got %q, %v, and %d contacts found; want %s", q, id, err, len(found.Contacts), c.ID)
			}
		}
		if found, err := look.Find(typed); err != nil || len(found.Contacts) != 0 {
			t.Errorf("%s, which cannot be kept: got %v, %v", typed, found.Contacts, err)
		}
		return nil
	}))
	channel, to, err := h.Trial(t.Context(), h.staff, " jm@müller.example ")
	if err != nil || channel != issuance.Mail || to != kept {
		t.Errorf("a test message goes to %q by %q, %v; want %s", to, channel, err, kept)
	}
	_, _, err = h.Trial(t.Context(), h.staff, typed)
	if e, ok := err.(*issuance.Error); !ok || e.Kind != issuance.Invalid || e.Field != "to" { //nolint:errorlint // as the API gets it
		t.Errorf("a test message to %s: got %v, want the field to named", typed, err)
	}
}
