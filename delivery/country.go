package delivery

import (
	"github.com/nyaruka/phonenumbers"

	"github.com/postern-ca/postern/issuance"
)

// CheckCountry returns an error of kind [issuance.Invalid] unless its argument is
// the code of a country that has phone numbers (ISO 3166-1 alpha-2, in capitals).
// For two common mistakes, the error names the right code.
func CheckCountry(code string) error {
	if phonenumbers.GetSupportedRegions()[code] {
		return nil
	}
	meant := map[string]string{"UK": "GB", "EL": "GR"}[code]
	if meant != "" {
		return issuance.Invalidf("", code+" is not a country code: it is "+meant, "write "+meant)
	}
	return issuance.Invalidf("", code+" is not a country code",
		"use the two letters of ISO 3166-1 for each, for example [CH, DE, FR]")
}
