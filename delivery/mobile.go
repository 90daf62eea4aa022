package delivery

import (
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/postern-ca/postern/issuance"
)

// CheckMobile returns a check of numbers in E.164: it refuses, with an error of
// kind [issuance.Invalid] on field "mobile", what no SMS should go to. These are
// numbers of a length that their country does not have, landlines, premium,
// toll-free, satellite and internet numbers, and those of countries that are not
// among allowed (ISO 3166-1 codes; none allows all). Where a country's numbers do
// not tell mobile from fixed, as in the United States, they pass. So do numbers
// of ranges that the tables do not know: countries open new ones faster than
// tables learn of them, and the provider says if there is no such number.
func CheckMobile(allowed []string) func(number string) error {
	countries := make([]string, len(allowed))
	for i, country := range allowed {
		countries[i] = strings.ToUpper(strings.TrimSpace(country))
	}
	return func(number string) error {
		n, err := phonenumbers.Parse(number, "")
		if err != nil || !phonenumbers.IsPossibleNumber(n) || phonenumbers.Format(n, phonenumbers.E164) != number {
			return issuance.Invalidf("mobile", "is not a phone number", "check it, and write it with country code, as in +41 79 123 45 67")
		}
		known := phonenumbers.IsValidNumber(n)
		switch kind := phonenumbers.GetNumberType(n); {
		case !known, kind == phonenumbers.MOBILE, kind == phonenumbers.FIXED_LINE_OR_MOBILE:
		case kind == phonenumbers.FIXED_LINE:
			return issuance.Invalidf("mobile", "is a landline", "use a mobile number: codes and passwords are sent by SMS")
		default:
			return issuance.Invalidf("mobile", "is not a mobile number", "use the number of a mobile phone: codes and passwords are sent by SMS")
		}
		region := phonenumbers.GetRegionCodeForNumber(n)
		if !known {
			region = phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
		}
		// Networks of no country: a satellite phone's SMS costs, and tempts.
		if region == "" || region == phonenumbers.UNKNOWN_REGION || region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
			return issuance.Invalidf("mobile", "belongs to a satellite or international network", "use the mobile number of a country")
		}
		if len(countries) > 0 && !slices.Contains(countries, region) {
			return issuance.Invalidf("mobile", "is a number of "+region+", to which no SMS are sent", "use a number of one of: "+strings.Join(countries, ", "))
		}
		return nil
	}
}
