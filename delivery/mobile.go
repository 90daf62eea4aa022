package delivery

import (
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/postern-ca/postern/issuance"
)

// ReadMobile returns a reader of mobile numbers as people write them: "+41 (0)79
// 123 45 67", "0041...", "011 41...", with digits of any script. A number without a
// country code belongs to region (an ISO 3166-1 code; if it is "", such a number is
// refused). The result is in E.164 (ITU-T E.164): "+41791234567".
//
// Its errors are of kind [issuance.Invalid] on field "mobile". It refuses numbers
// that should not get an SMS: those with a length that their country does not have,
// fixed lines, premium, toll-free, satellite and internet numbers, and those of
// countries that are not in allowed (if allowed is empty, all are). It accepts
// numbers of countries where mobile and fixed numbers look the same, such as the
// United States, and numbers of ranges that are missing in the tables: countries
// open new ones faster than tables learn of them, and the provider says if there is
// no such number.
func ReadMobile(allowed []string, region string) func(typed string) (string, error) {
	countries := make([]string, len(allowed))
	for i, country := range allowed {
		countries[i] = strings.ToUpper(strings.TrimSpace(country))
	}
	region = strings.ToUpper(strings.TrimSpace(region))
	return func(typed string) (string, error) {
		n, err := parseMobile(typed, region)
		if err != nil {
			return "", err
		}
		if err := reachable(n, countries); err != nil {
			return "", err
		}
		return phonenumbers.Format(n, phonenumbers.E164), nil
	}
}

const mobileHint = "check it, and write it with country code, for example +41 79 123 45 67"

// parseMobile returns the number that typed is, whatever it is for.
func parseMobile(typed, region string) (*phonenumbers.PhoneNumber, error) {
	dialled, international := dialled(typed)
	if dialled == "" {
		return nil, issuance.Invalidf("mobile", "is not a phone number", mobileHint)
	}
	if international {
		return possible(dialled, "")
	}
	abroad, fromAmerica := strings.CutPrefix(dialled, "011")
	if region == "" && !fromAmerica {
		return nil, issuance.Invalidf("mobile", "has no country code", "write it with one, for example +41 79 123 45 67")
	}
	if region != "" {
		if n, err := possible(dialled, region); err == nil || !fromAmerica {
			return n, err
		}
	}
	return possible("+"+abroad, "")
}

// possible returns the number that dialled is in region, if there may be such a
// number: one with the length that its country's numbers have.
func possible(dialled, region string) (*phonenumbers.PhoneNumber, error) {
	n, err := phonenumbers.Parse(dialled, region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return nil, issuance.Invalidf("mobile", "is not a phone number", mobileHint)
	}
	return n, nil
}

// dialled returns the digits of typed, after a plus sign if they begin with a
// country code, without what people put between them; "" if it is no number.
func dialled(typed string) (digits string, international bool) {
	s := issuance.Typed(typed)
	if len(s) > 4 && strings.EqualFold(s[:4], "tel:") { // RFC 3966, as links have it
		s = s[4:]
	}
	s = strings.NewReplacer(" ", "", "-", "", ".", "", "/", "", "\u00b7", "").Replace(s)
	optional := strings.Replace(s, "(0)", "", 1) // the nought that is dialled at home alone
	bare := func(s string) string { return strings.NewReplacer("(", "", ")", "").Replace(s) }
	for _, prefix := range []string{"+00", "+", "00"} {
		if rest, ok := strings.CutPrefix(bare(optional), prefix); ok {
			s, international = "+"+rest, true
			break
		}
	}
	s = bare(s)
	if digits := strings.TrimPrefix(s, "+"); digits == "" || len(digits) > 30 || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return s, international
}

// reachable returns an error unless n is a number that an SMS may go to.
func reachable(n *phonenumbers.PhoneNumber, countries []string) error {
	known := phonenumbers.IsValidNumber(n)
	switch kind := phonenumbers.GetNumberType(n); {
	case !known, kind == phonenumbers.MOBILE, kind == phonenumbers.FIXED_LINE_OR_MOBILE:
	case kind == phonenumbers.FIXED_LINE:
		return issuance.Invalidf("mobile", "is a landline", "use a mobile number: codes and passwords are sent by SMS")
	default:
		return issuance.Invalidf("mobile", "is not a mobile number",
			"use the number of a mobile phone: codes and passwords are sent by SMS")
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
		return issuance.Invalidf("mobile", "is a number of "+region+", to which no SMS are sent",
			"use a number of one of: "+strings.Join(countries, ", "))
	}
	return nil
}
