package delivery

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

func TestMobilesThatSMSMayGoTo(t *testing.T) {
	all, swiss := ReadMobile(nil, ""), ReadMobile([]string{"ch", " LI "}, "")
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
		"+6907290":           {true, false},  // Tokelau: seven digits
		"+29051234":          {true, false},  // St Helena: eight
		"+24741234":          {true, false},  // Ascension
		"+41441234567":       {false, false}, // fixed line
		"+442079460958":      {false, false}, // fixed line
		"+33123456789":       {false, false}, // fixed line
		"+18005550100":       {false, false}, // toll-free
		"+19005550100":       {false, false}, // premium
		"+881612345678":      {false, false}, // satellite
		"+870761234567":      {false, false}, // satellite
		"+99999999999":       {false, false}, // no country
		"+15551234":          {false, false}, // without the area code
		"+4179123456":        {false, false}, // too short
		"+41791234567890123": {false, false}, // too long
		"0791234567":         {false, false}, // of which country?
		"+41791234567;ext=1": {false, false},
		"+0791234567":        {false, false},
		"+":                  {false, false},
		"":                   {false, false},
		"\x00":               {false, false},
	} {
		for read, want := range map[*func(string) (string, error)]bool{&all: want.anywhere, &swiss: want.switzerland} {
			got, err := (*read)(number)
			e, ok := errors.AsType[*issuance.Error](err)
			if (err == nil) != want || err == nil && got != number || err != nil && (!ok || e.Field != "mobile" || e.Kind != issuance.Invalid || e.Hint == "") {
				t.Errorf("%q (Switzerland only: %v): got %q, %v", number, read == &swiss, got, err)
			}
		}
	}
}

func TestMobilesAreReadAsPeopleWriteThem(t *testing.T) {
	for _, tt := range []struct{ region, typed, want string }{
		{"", "+41 79 123 45 67", "+41791234567"},
		{"", " +41-79.123/45\t67\n", "+41791234567"},
		{"", "+41 (0)79 123 45 67", "+41791234567"},
		{"", "+41 ( 0 ) 79 123 45 67", "+41791234567"},
		{"", "+41 079 123 45 67", "+41791234567"},
		{"", "0041 79 123 45 67", "+41791234567"},
		{"", "0041 (0)79 123 45 67", "+41791234567"},
		{"", "+0041 79 123 45 67", "+41791234567"},
		{"", "(0041) 79 123 45 67", "+41791234567"},
		{"", "011 41 79 123 45 67", "+41791234567"},
		{"", "004791234568", "+4791234568"},
		{"", "(+47) 912-34-568", "+4791234568"},
		{"", "tel:+41-79-123-45-67", "+41791234567"},
		{"", "+٤١ ٧٩ ١٢٣ ٤٥ ٦٧", "+41791234567"},
		{"", "＋４１　７９　１２３　４５　６７", "+41791234567"},
		{"", "（＋４１）７９－１２３－４５－６７", "+41791234567"},
		{"", "\u202d+41 79 123 45 67\u202c", "+41791234567"},
		{"", "\u200e+41\u00a079\u2009123\u202f45\u201067\u202c", "+41791234567"},
		{"", "\u202a+44 7700\u2011900\u2013123\u202c", "+447700900123"},
		{"", "+1 (202) 555-0142", "+12025550142"},
		{"", "+54 11 15 1234 5678", "+5491112345678"},
		{"CH", "079 123 45 67", "+41791234567"},
		{"ch", "(079) 123 45 67", "+41791234567"},
		{"CH", "0049 1511 2345678", "+4915112345678"},
		{"CH", "+49 1511 2345678", "+4915112345678"},
		{"CH", "011 49 1511 2345678", "+4915112345678"},
		{"NO", "912 34 568", "+4791234568"},
		{"NO", "٩١٢ ٣٤ ٥٦٨", "+4791234568"},
		{"US", "(202) 555-0142", "+12025550142"},
		{"US", "1-202-555-0142", "+12025550142"},
		{"US", "011 41 79 123 45 67", "+41791234567"},
		{"GB", "07911 123456", "+447911123456"},
		{"RU", "8 912 345-67-89", "+79123456789"},
	} {
		if got, err := ReadMobile(nil, tt.region)(tt.typed); err != nil || got != tt.want {
			t.Errorf("in %q %+q: got %q, %v; want %q", tt.region, tt.typed, got, err, tt.want)
		}
	}
}

func TestWhatIsNoNumberIsNotMadeOne(t *testing.T) {
	for _, tt := range []struct{ region, typed string }{
		{"", "079 123 45 67"},
		{"", "41 79 123 45 67"},
		{"CH", "079 123 45 67 / 078 765 43 21"},
		{"CH", "079 123\r\n45 67"},
		{"CH", "079 123 45 67 ext. 5"},
		{"CH", "079 CALL ME"},
		{"CH", "\u202e76 54 321 970"},
		{"US", "555-0142"},
		{"CH", strings.Repeat("1", 10_000)},
	} {
		if got, err := ReadMobile(nil, tt.region)(tt.typed); issuance.KindOf(err) != issuance.Invalid {
			t.Errorf("in %q %+.40q: got %q, %v; want a refusal", tt.region, tt.typed, got, err)
		}
	}
}

func TestMobilesThatAreRefusedAreToldWhy(t *testing.T) {
	read := ReadMobile([]string{"CH"}, "")
	for number, says := range map[string]string{
		"+41441234567": "fixed line", "+18005550100": "not a mobile", "+881612345678": "satellite", "+4179123456": "not a phone number", "+33612345678": "FR",
		"079 123 45 67": "country code",
	} {
		if _, err := read(number); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want it to say %q", number, err, says)
		}
	}
}

func FuzzReadMobile(f *testing.F) {
	for _, s := range []string{"+41791234567", "+1202555", "tel:+4179;phone-context=+1", "０７９", "0041(0)79", "011"} {
		f.Add(s, "CH")
	}
	f.Fuzz(func(t *testing.T, s, region string) {
		read := ReadMobile(nil, region)
		got, err := read(s)
		if err != nil {
			return
		}
		if len(got) < 7 || len(got) > 16 || got[0] != '+' || strings.Trim(got[1:], "0123456789") != "" {
			t.Errorf("%q became %q", s, got)
		}
		if again, err := read(got); err != nil || again != got {
			t.Errorf("%q became %q, then %q, %v", s, got, again, err)
		}
	})
}
