package issuance

import (
	"cmp"
	"strings"
)

// Role is what an actor may do.
type Role string

// The roles. Contact, service, system and stranger cannot be assigned: contacts act
// through a link, services with the key of their certificate, and the system through
// timers and the courier.
const (
	RoleAdministrator Role = "administrator" // everything
	RoleOfficer       Role = "officer"       // orders, certificates, contacts, services
	RoleAuditor       Role = "auditor"       // reads
	RoleContact       Role = "contact"
	RoleService       Role = "service" // a certificate that acts for itself
	RoleSystem        Role = "system"
	RoleStranger      Role = "stranger" // who has not proven to be anybody
)

// Actor is who does something. It is an argument of every verb, and part of every
// audit record.
type Actor struct {
	Role Role   `json:"role"`
	ID   string `json:"id"`   // token, contact, serial number or part of the system
	Name string `json:"name"` // as people call it
	// Owner is the person whom a token belongs to, who answers for what is done with
	// it; "" of actors without a token, and of records from before tokens had owners.
	Owner string `json:"owner,omitempty"`
}

// Person returns who a is, whichever token is used: the owner of a token, or,
// before tokens had owners, its name.
func (a Actor) Person() string { return cmp.Or(a.Owner, a.Name) }

// Same reports whether a and other are one person. One token is one person, too,
// whatever it was called; two tokens of one person are not two.
func (a Actor) Same(other Actor) bool {
	return a.ID == other.ID || a.Person() != "" && strings.EqualFold(a.Person(), other.Person())
}

// called reports whether a is called name, in any way.
func (a Actor) called(name string) bool {
	return strings.EqualFold(a.ID, name) || strings.EqualFold(a.Name, name) || strings.EqualFold(a.Owner, name)
}

// System returns the actor for what Postern does by itself.
func System(part string) Actor { return Actor{Role: RoleSystem, ID: part, Name: part} }
