package issuance

import "strings"

// Noun is the object of a verb: what a page, a command or a path of the API is
// about.
type Noun string

// The nouns of the house.
const (
	OrganizationNoun Noun = "organization"
	ContactNoun      Noun = "contact"
	ProposalNoun     Noun = "proposal"
	ServiceNoun      Noun = "service"
	OrderNoun        Noun = "order"
	CertificateNoun  Noun = "certificate"
	MessageNoun      Noun = "message"
	TokenNoun        Noun = "token"
	AuditNoun        Noun = "audit"
	ClockNoun        Noun = "clock"
	DatabaseNoun     Noun = "database"
)

// plural returns n as a sentence about many of them has it.
func (n Noun) plural() string { return n.word() + "s" }

// word is n in a sentence, as this project spells it.
func (n Noun) word() string {
	switch n {
	case OrganizationNoun:
		return "organisation"
	case AuditNoun:
		return "audit record"
	}
	return string(n)
}

// Permit says which roles may do a verb to a noun.
type Permit struct {
	Verb  Verb
	Noun  Noun
	Roles []Role
}

// permits is the whole table of what staff may change; to read, any role will
// do. What contacts, services and the system do by themselves has no row: it has
// no verb that anybody could ask for.
var permits = []Permit{
	{AddVerb, OrganizationNoun, daily},
	{ChangeVerb, OrganizationNoun, daily},
	{AddVerb, ContactNoun, daily},
	{ChangeVerb, ContactNoun, daily},
	{ReportLossVerb, ContactNoun, daily},
	{ConfirmVerb, ProposalNoun, daily},
	{RejectVerb, ProposalNoun, daily},
	{AddVerb, ServiceNoun, daily},
	{ChangeVerb, ServiceNoun, daily},

	{RequestVerb, OrderNoun, daily},
	{ApproveVerb, OrderNoun, daily},
	{RejectVerb, OrderNoun, daily},
	{ResendVerb, OrderNoun, daily},
	{UnlockVerb, OrderNoun, daily},
	{CancelVerb, OrderNoun, daily},
	{ResendPasswordVerb, OrderNoun, daily},

	{HoldVerb, CertificateNoun, daily},
	{ReleaseVerb, CertificateNoun, daily},
	{RevokeVerb, CertificateNoun, daily},

	{RetryVerb, MessageNoun, daily},
	{TrialVerb, MessageNoun, daily},

	{AddVerb, TokenNoun, []Role{RoleAdministrator, RoleSystem}}, // the first is made at the first start
	{ConfirmVerb, TokenNoun, daily},
	{RevokeVerb, TokenNoun, []Role{RoleAdministrator}},

	{RevealVerb, AuditNoun, []Role{RoleAdministrator, RoleAuditor}},

	{AcceptVerb, ClockNoun, []Role{RoleAdministrator}},
	{BackupVerb, DatabaseNoun, []Role{RoleAdministrator, RoleSystem}}, // the system's by schedule
}

// daily are the roles that do the daily work.
var daily = []Role{RoleAdministrator, RoleOfficer}

// May returns an error of kind Denied unless a's role may do verb to noun.
func (a Actor) May(verb Verb, noun Noun) error {
	var allowed []string
	for _, p := range permits {
		if p.Verb != verb || p.Noun != noun {
			continue
		}
		for _, r := range p.Roles {
			if r == a.Role {
				return nil
			}
			if r != RoleSystem {
				allowed = append(allowed, "an "+string(r))
			}
		}
	}
	hint := "nobody can do this"
	if len(allowed) > 0 {
		hint = "ask " + strings.Join(allowed, " or ")
	}
	return &Error{
		Kind: Denied, Code: CodeRole, Hint: hint,
		Message: "the role " + string(a.Role) + " may not " + string(verb) + " " + noun.plural(),
	}
}
