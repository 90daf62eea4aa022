package issuance

// Role is what an actor may do.
type Role string

// The roles. Contact, service and system cannot be assigned: contacts act through a
// link, services with the key of their certificate, and the system through timers
// and the courier.
const (
	RoleAdministrator Role = "administrator" // everything
	RoleOfficer       Role = "officer"       // orders, certificates, contacts, services
	RoleAuditor       Role = "auditor"       // reads
	RoleContact       Role = "contact"
	RoleService       Role = "service" // a certificate that acts for itself
	RoleSystem        Role = "system"
)

// Actor is who does something. It is an argument of every verb, and part of every
// audit record.
type Actor struct {
	Role Role   `json:"role"`
	ID   string `json:"id"`   // token, contact, serial number or part of the system
	Name string `json:"name"` // as people call it
}

// System returns the actor for what Postern does by itself.
func System(part string) Actor { return Actor{Role: RoleSystem, ID: part, Name: part} }
