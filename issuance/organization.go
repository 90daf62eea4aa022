package issuance

import (
	"slices"
	"time"
)

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

// maxFormerNames is how many names an organisation may have had: its record is read for
// each of its certificates.
const maxFormerNames = 32

// formerly keeps name, which o had until now, among those that are in certificates, or
// refuses one more.
func (o *Organization) formerly(name string) error {
	if slices.Contains(o.FormerNames, name) {
		return nil
	}
	if len(o.FormerNames) >= maxFormerNames {
		return &Error{
			Kind: Conflict, Code: CodeState, Field: "name", Message: "the organisation has had 32 other names",
			Hint: "keep its name, or add an organisation with the new one",
		}
	}
	o.FormerNames = append(slices.Clone(o.FormerNames), name)
	return nil
}
