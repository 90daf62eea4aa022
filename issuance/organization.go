package issuance

import "time"

// Organization is a customer whose services get certificates.
type Organization struct {
	ID        OrgID     `json:"id"`                 // short name, for good
	Name      string    `json:"name"`               // legal name: O of the certificates
	Disabled  bool      `json:"disabled,omitempty"` // nothing is ordered or issued for it, and its certificates are refused
	CreatedAt time.Time `json:"created_at"`
	// FormerNames are in certificates that were issued before it was renamed.
	FormerNames []string `json:"former_names,omitempty"`
	// Distinct is whether another organisation had the name before: the subjects of its
	// certificates have the service's id too, for good.
	Distinct bool `json:"distinct,omitempty"`
}

// check cleans o's fields, or says which one cannot stand.
func (o *Organization) check() (err error) {
	if err := checkShortName("id", string(o.ID)); err != nil {
		return err
	}
	// 64 is ub-organization-name of RFC 5280, appendix A.
	o.Name, err = CleanName("name", o.Name, 64)
	return err
}
