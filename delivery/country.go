package delivery

import (
	"github.com/nyaruka/phonenumbers"

	"github.com/postern-ca/postern/issuance"
)

// CheckCountry refuses, with an error of kind [issuance.Invalid], what is not the
// code of a country that has phone numbers (ISO 3166-1 alpha-2, in capitals). Two
// that people take for such codes are answered with the right one.
func CheckCountry(code string) error {
	if phonenumbers.GetSupportedRegions()[code] {
		return nil
	}
	meant := map[string]string{"UK": "GB", "EL": "GR"}[code]
	if meant != "" {
		return issuance.Invalidf("", code+" is not a country's code: it is "+meant, "write "+meant)
	}
	return issuance.Invalidf("", code+" is not a country's code", "give the two letters of ISO 3166-1 for each, as in [CH, DE, FR]")
}
