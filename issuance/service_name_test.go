package issuance

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestServiceNames(t *testing.T) {
	for in, want := range map[string]string{
		"my page": "my page", " my \u00a0 page ": "my page", "e-banking": "e-banking", "Zahlungen & Überweisungen (Test)": "Zahlungen & Überweisungen (Test)",
		"Anna's page": "Anna's page", "Anna’s page": "Anna’s page", "我的页面": "我的页面", "صفحتي": "صفحتي", "मेरा पेज": "मेरा पेज",
		"v2.1/eu, west": "v2.1/eu, west", strings.Repeat("ä", 64): strings.Repeat("ä", 64), "7": "7",
	} {
		if got, err := CleanServiceName(in); err != nil || got != want {
			t.Errorf("CleanServiceName(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for in, why := range map[string]string{
		"": "empty", " \u00a0": "empty", strings.Repeat("ä", 65): "longer than 64", "\xff": "UTF-8", "a\nb": "U+000A", "a\tb": "U+0009", "a\x00": "U+0000",
		"\u202epage": "U+202E", "pa\u200bge": "U+200B", "pa\u00adge": "U+00AD", "pa\ufe0fge": "U+FE0F", "pa\u3164ge": "U+3164", "\u0301page": "U+0301",
		"a=b": `"="`, "a;b": `";"`, `a"b`: `"\""`, `a\b`: `"\\"`, "<b>": `"<"`, "a#b": `"#"`, "page 🚀": `"🚀"`, "-.-": "no letter",
	} {
		got, err := CleanServiceName(in)
		if KindOf(err) != Invalid || !strings.Contains(err.Error(), why) {
			t.Errorf("CleanServiceName(%q) = %q, %v; want a refusal with %q", in, got, err, why)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	long := "The page on which everybody sees their payments"
	for in, want := range map[string]string{
		"my page": "my-page", "e-banking": "e-banking", "payments": "payments", "Überweisungen & Größen": "ueberweisungen-groessen", "Smørrebrød, Århus": "smoerrebroed-aarhus",
		"U\u0308ber Cafe\u0301": "ueber-cafe", "Čeština / Łódź (2)": "cestina-lodz-2", "Anna's page": "annas-page", "Anna’s page": "annas-page", "--a_b..c--": "a-b-c",
		"Đồng Tiền": "dong-tien", "İstanbul": "istanbul", "2nd 页": "2nd", long: "the-page-on-which-everybody-sees-their", strings.Repeat("x", 64): strings.Repeat("x", 40),
	} {
		if got, err := MakeIdentifier(in); err != nil || got != want {
			t.Errorf("MakeIdentifier(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"我的页面", "Моя страница", "…"} {
		got, err := MakeIdentifier(in)
		if KindOf(err) != Invalid || !strings.Contains(err.Error(), "identifier: cannot be made") {
			t.Errorf("MakeIdentifier(%q) = %q, %v; want an error that asks for one", in, got, err)
		}
	}
}

// TestEveryIdentifierIsAShortName makes names of all that a name may have.
func TestEveryIdentifierIsAShortName(t *testing.T) {
	letters := rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune(strings.Join(spellings(), "")+serviceNameSigns+" \u0308\u0301AZaz09")))
	rapid.Check(t, func(rt *rapid.T) {
		name, err := CleanServiceName(rapid.StringOfN(letters, 1, 70, -1).Draw(rt, "name"))
		if err != nil {
			return
		}
		if again, err := CleanServiceName(name); err != nil || again != name || utf8.RuneCountInString(name) > 64 {
			rt.Fatalf("the clean name %q is %q, %v", name, again, err)
		}
		made, err := MakeIdentifier(name)
		if err == nil && checkShortName("identifier", made) != nil || err != nil && KindOf(err) != Invalid {
			rt.Fatalf("MakeIdentifier(%q) = %q, %v", name, made, err)
		}
		if again, e := MakeIdentifier(made); err == nil && (e != nil || again != made) {
			rt.Fatalf("the identifier of %q is %q, %v", made, again, e)
		}
	})
}
