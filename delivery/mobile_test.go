package delivery

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

func TestCheckMobile(t *testing.T) {
	all, swiss := CheckMobile(nil), CheckMobile([]string{"ch", " LI "})
	for number, want := range map[string]struct{ anywhere, switzerland bool }{
		"+41791234567":       {true, true},   // Swiss mobile
		"+41791112233":       {true, true},   // Swiss mobile
		"+423660123456":      {true, true},   // Liechtenstein
		"+4915112345678":     {true, false},  // German mobile
		"+33612345678":       {true, false},  // French mobile
		"+447911123456":      {true, false},  // British mobile
		"+61491570156":       {true, false},  // Australian mobile, set aside for fiction
		"+12025550100":       {true, false},  // North America does not tell mobile from fixed; set aside for fiction
		"+447700900123":      {true, false},  // British, of a range that the tables do not know
		"+15555550100":       {true, false},  // the same in North America
		"+41441234567":       {false, false}, // landline
		"+442079460958":      {false, false}, // landline
		"+33123456789":       {false, false}, // landline
		"+18005550100":       {false, false}, // toll-free
		"+19005550100":       {false, false}, // premium
		"+881612345678":      {false, false}, // satellite
		"+870761234567":      {false, false}, // satellite
		"+99999999999":       {false, false}, // no country
		"+4179123456":        {false, false}, // too short
		"+41791234567890123": {false, false}, // too long
		"+410791234567":      {false, false}, // the zero of national writing
		"0791234567":         {false, false},
		"+41 79 123 45 67":   {false, false}, // not E.164
		"tel:+41791234567":   {false, false},
		"+41791234567;ext=1": {false, false},
		"+٤١٧٩١٢٣٤٥٦٧":       {false, false}, // digits of another script
		"":                   {false, false},
		"\x00":               {false, false},
	} {
		for check, want := range map[*func(string) error]bool{&all: want.anywhere, &swiss: want.switzerland} {
			err := (*check)(number)
			e, ok := errors.AsType[*issuance.Error](err)
			if (err == nil) != want || err != nil && (!ok || e.Field != "mobile" || e.Kind != issuance.Invalid || e.Hint == "") {
				t.Errorf("%q (Switzerland only: %v): got %v", number, check == &swiss, err)
			}
		}
	}
}

func TestCheckMobileSaysWhy(t *testing.T) {
	check := CheckMobile([]string{"CH"})
	for number, says := range map[string]string{
		"+41441234567": "landline", "+18005550100": "not a mobile", "+881612345678": "satellite", "+4179123456": "not a phone number", "+33612345678": "FR",
	} {
		if err := check(number); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want it to say %q", number, err, says)
		}
	}
}

func FuzzCheckMobile(f *testing.F) {
	for _, s := range []string{"+41791234567", "+1202555", "tel:+4179;phone-context=+1", "０７９"} {
		f.Add(s)
	}
	check := CheckMobile(nil)
	f.Fuzz(func(t *testing.T, s string) {
		if err := check(s); err == nil && (len(s) < 8 || len(s) > 16 || s[0] != '+') {
			t.Errorf("%q was accepted", s)
		}
	})
}
