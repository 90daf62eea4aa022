package issuance

import (
	"slices"
	"strings"
	"time"
)

// Contact is a person at a customer who is registered as authorised to order
// certificates, to receive them, or both.
type Contact struct {
	ID           ContactID `json:"id"`
	Organization OrgID     `json:"organization"`
	Name         string    `json:"name"`
	Email        string    `json:"email"`
	Mobile       string    `json:"mobile"` // E.164
	Language     string    `json:"language"`
	MayOrder     bool      `json:"may_order"`
	MayReceive   bool      `json:"may_receive"`
	Disabled     bool      `json:"disabled"`
	CreatedAt    time.Time `json:"created_at"`
	// MobileChangedAt and EmailChangedAt are when number and address were last
	// changed, zero if never: Policy.CoolingOff begins there.
	MobileChangedAt time.Time `json:"mobile_changed_at,omitzero"`
	EmailChangedAt  time.Time `json:"email_changed_at,omitzero"`
	// LostAt is when phone or mailbox were reported to be in other hands, zero once
	// the contact is enabled again: until then nothing is sent there.
	LostAt time.Time `json:"lost_at,omitzero"`
}

// Languages returns the languages of pages, mails and SMS; the first is the
// default.
func Languages() []string { return []string{"en", "de", "fr"} }

// check cleans c's fields but the mobile number, or says which one cannot stand.
func (c *Contact) check() (err error) {
	if c.Name, err = CleanName("name", c.Name, 100); err != nil {
		return err
	}
	if c.Email, err = cleanEmail("email", c.Email); err != nil {
		return err
	}
	if c.Language == "" {
		c.Language = Languages()[0]
	}
	if !slices.Contains(Languages(), c.Language) {
		return Invalidf("language", "is not one of "+strings.Join(Languages(), ", "),
			"choose one of them: it is the language of the contact's pages and messages")
	}
	if !c.MayOrder && !c.MayReceive {
		return Invalidf("may_receive", "the contact may neither order nor receive", "set may_order, may_receive or both")
	}
	return nil
}

// reached returns where channel reaches c.
func (c Contact) reached(channel Channel) string {
	if channel == SMS {
		return c.Mobile
	}
	return c.Email
}

// MaskedMobile returns the number as a page may show it: its last two digits.
func (c Contact) MaskedMobile() string {
	if len(c.Mobile) < 2 {
		return "••••"
	}
	return "•••• " + c.Mobile[len(c.Mobile)-2:]
}

// MaskedEmail returns the address as a page may show it: "a•••@customer.example".
func (c Contact) MaskedEmail() string {
	local, domain, _ := strings.Cut(c.Email, "@")
	if local == "" {
		return "•••"
	}
	return local[:1] + "•••@" + domain
}
