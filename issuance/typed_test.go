package issuance

import (
	"math/big"
	"strings"
	"testing"
	"unicode"
)

func TestDigitsOfEveryScriptAreRead(t *testing.T) {
	var all []rune
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.Is(unicode.Nd, r) {
			all = append(all, r)
		}
	}
	for i, r := range all { // runs of ten, from nought to nine
		if got, want := Typed(string(r)), string('0'+rune(i%10)); got != want {
			t.Errorf("Typed(%q, %U) = %q, want %q", r, r, got, want)
		}
	}
	if len(all)%10 != 0 || len(all) < 600 {
		t.Errorf("%d digits", len(all))
	}
}

func TestWhatCopyingBringsIsTakenOut(t *testing.T) {
	for in, want := range map[string]string{
		"\u202d+41\u00a079\u2009123\u202f45\u201067\u202c": "+41 79 123 45-67",
		"\u200e7f\u20113a\u2212\ufeff":                     "7f-3a-",
		"＋４１（０）７９":                                         "+41(0)79",
		"٠٧٩ ۱۲۳ १२३":                                      "079 123 123",
		"\u2066a\tb\u2069\n":                               "a b",
		"\u202e+41\u202c":                                  "\u202e+41",
		"a\nb":                                             "a\nb",
		"Zoë":                                              "Zoë",
	} {
		if got := Typed(in); got != want {
			t.Errorf("Typed(%+q) = %+q, want %+q", in, got, want)
		}
	}
}

func TestSerialsAreReadAsPeopleHaveThem(t *testing.T) {
	const want = Serial("7f3ab2c4d5e6f708192a3b4c5d6e7f8091")
	decimal := want.Int().String()
	colons := "7f:3a:b2:c4:d5:e6:f7:08:19:2a:3b:4c:5d:6e:7f:80:91"
	for _, s := range []string{
		string(want), strings.ToUpper(string(want)), "serial=" + strings.ToUpper(string(want)), "serial=" + strings.ToUpper(string(want)) + "\n",
		"0x" + string(want), "0X" + strings.ToUpper(string(want)), colons, strings.ToUpper(colons), strings.ReplaceAll(colons, ":", "-"),
		strings.ReplaceAll(colons, ":", " "), strings.ReplaceAll(colons, ":", "\u2010"), strings.ReplaceAll(colons, ":", "\u00a0"),
		"\u200e" + strings.ToUpper(string(want)) + "\u202c", "\u202a" + colons + "\u202c", "Serial Number:\n            " + colons,
		"Serial Number: " + string(want), "Serial Number (hex): " + string(want), "SerialNumber=" + string(want), "00" + string(want), "00:" + colons,
		decimal, decimal[:10] + " " + decimal[10:], " " + decimal + "\n", "Serial number: " + decimal,
	} {
		if got, err := ParseSerial(s); err != nil || got != want {
			t.Errorf("ParseSerial(%+q) = %q, %v; want %q", s, got, err, want)
		}
	}
}

// Decimal and hexadecimal are told apart whatever the number is: the smallest, the
// greatest, and one whose hexadecimal has no letter.
func TestDecimalSerialsAreNotTakenForHexadecimal(t *testing.T) {
	noLetter := strings.Repeat("10", 17)
	for _, s := range []Serial{Serial("10" + strings.Repeat("0", 32)), Serial("7f" + strings.Repeat("f", 32)), Serial(noLetter), NewSerial(), NewSerial()} {
		for _, written := range []string{string(s), s.Int().String()} {
			if got, err := ParseSerial(written); err != nil || got != s {
				t.Errorf("ParseSerial(%q) = %q, %v; want %q", written, got, err, s)
			}
		}
	}
	// Of 40 digits that no number of ours has, and after 0x or with colons: hexadecimal.
	for s, digits := range map[string]string{
		strings.Repeat("12", 20): strings.Repeat("12", 20), "0x6" + strings.Repeat("1", 39): "6" + strings.Repeat("1", 39),
		"61:" + strings.Repeat("1", 38): "61" + strings.Repeat("1", 38),
	} {
		got, err := ParseSerial(s)
		if want, _ := new(big.Int).SetString(digits, 16); err != nil || got.Int().Cmp(want) != 0 {
			t.Errorf("ParseSerial(%q) = %q, %v; want %x", s, got, err, want)
		}
	}
}

func FuzzParseSerial(f *testing.F) {
	for _, s := range []string{"serial=7F", "0x10", "7f:3a", "٣", "5444517870735015415413993718908291383296"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		serial, err := ParseSerial(s)
		if err != nil {
			return
		}
		if again, err := ParseSerial(string(serial)); err != nil || again != serial {
			t.Errorf("%q became %q, then %q, %v", s, serial, again, err)
		}
	})
}
