package issuance

// RegisterReader looks up customers, their people and their services.
type RegisterReader interface {
	Organization(OrgID) (Organization, error)
	Organizations(Page) ([]Organization, string, error)
	// OrganizationsNamed returns up to limit organisations with a name, in any case.
	OrganizationsNamed(name string, limit int) ([]Organization, error)

	Contact(ContactID) (Contact, error)
	Contacts(ContactQuery) ([]Contact, string, error)

	Proposal(ProposalID) (Proposal, error)
	// ProposalByStop finds a proposal by either digest of the links that stop it.
	ProposalByStop(Digest) (Proposal, error)
	Proposals(ProposalQuery) ([]Proposal, string, error)

	Service(ServiceID) (Service, error)
	Services(ServiceQuery) ([]Service, string, error)
}

// Register is the register of customers, their people and their services.
type Register interface {
	RegisterReader
	PutOrganization(Organization) error
	PutContact(Contact) error
	PutProposal(Proposal) error
	PutService(Service) error
	// DeleteService deletes a service. If there is none with that id, it does
	// nothing.
	DeleteService(ServiceID) error
}

// ContactQuery, ProposalQuery and ServiceQuery ask for parts of the register.
type (
	ContactQuery struct {
		Organization OrgID
		Email        string // exact, in any case
		Mobile       string // exact, E.164
		Page
	}
	ProposalQuery struct {
		State   ProposalState // as it was put: one that expired may still be waiting
		Contact ContactID
		Page
	}
	ServiceQuery struct {
		Organization OrgID
		Name         string // or the identifier, exact, in any case
		Page
	}
)
