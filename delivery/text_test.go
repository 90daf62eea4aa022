package delivery

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/postern-ca/postern/issuance"
)

func TestGoldens(t *testing.T) {
	texts := sampleTexts(t)
	for _, language := range issuance.Languages() {
		for _, kind := range []issuance.NoticeKind{issuance.CodeNotice, issuance.PasswordNotice, issuance.ChangeSMSNotice} {
			m := mustRender(t, texts, sampleDispatch(kind, language))
			septets(t, string(m.Text.Reveal()))
			golden(t, language+"-"+string(kind)+".sms", string(m.Text.Reveal())+"\n")
		}
		mails := map[string]issuance.Dispatch{}
		for _, kind := range []issuance.NoticeKind{issuance.InvitationNotice, issuance.RevokedNotice, issuance.RenewedNotice, issuance.ChangeMailNotice, issuance.AlertNotice} {
			mails[string(kind)] = sampleDispatch(kind, language)
		}
		for name, status := range map[string]issuance.Status{"held": issuance.Held, "released": issuance.Active} {
			d := sampleDispatch(issuance.RevokedNotice, language)
			d.Certificate.Status, d.Certificate.Reason = status, ""
			mails[name] = d
		}
		untold := sampleDispatch(issuance.ChangeMailNotice, language) // where nothing stops it
		untold.Secret = issuance.Secret{}
		untold.Proposal.Wanted, untold.Proposal.Wanted.MayOrder = untold.Proposal.Was, true
		mails["change-rights"] = untold
		together := sampleDispatch(issuance.RevokedNotice, language)
		together.Also = []issuance.Certificate{{Serial: "40aa0c1e5b7d2f4a6c8e0b1d3f5a7c9e1b", Service: "acme.orders"}, {Serial: "41bb0c1e5b7d2f4a6c8e0b1d3f5a7c9e1b", Service: "acme.payments"}}
		together.More = 7
		mails["revoked-together"] = together
		for name, d := range mails {
			m := mustRender(t, texts, d)
			golden(t, language+"-"+name+".txt", "Subject: "+m.Subject+"\n\n"+string(m.Text.Reveal()))
			golden(t, language+"-"+name+".html", string(m.HTML.Reveal()))
		}
	}
}

func TestLanguagesHaveEqualKeys(t *testing.T) {
	keys := func(language string) []string {
		b, err := textFiles.ReadFile("texts/" + language + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		catalogue := map[string]string{}
		if err := yaml.Unmarshal(b, &catalogue); err != nil {
			t.Fatalf("%s: %v", language, err)
		}
		var out []string
		for key, text := range catalogue {
			// The same facts in every language, too.
			facts := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && r != '.' && r != '{' && r != '}' })
			facts = slices.DeleteFunc(facts, func(s string) bool { return !strings.HasPrefix(s, "{{.") })
			for i, f := range facts {
				facts[i] = strings.TrimRight(f, ".")
			}
			slices.Sort(facts)
			out = append(out, key+" "+strings.Join(facts, " "))
		}
		slices.Sort(out)
		return out
	}
	want := keys(issuance.Languages()[0])
	for _, language := range issuance.Languages()[1:] {
		if diff := cmp.Diff(want, keys(language)); diff != "" {
			t.Errorf("keys or facts of %s (-en +%s):\n%s", language, language, diff)
		}
	}
	for _, reason := range issuance.Reasons() {
		if !slices.ContainsFunc(want, func(s string) bool { return strings.HasPrefix(s, "reason."+string(reason)+" ") }) {
			t.Errorf("no text for reason %s", reason)
		}
	}
}

// septets is an independent count: of the basic table one, of the extension table two.
func septets(t *testing.T, s string) int {
	t.Helper()
	n := 0
	for _, r := range s {
		switch {
		case r == '\n', strings.ContainsRune(gsm, r):
			n++
		case strings.ContainsRune("^{}\\[~]|€\f", r):
			n += 2
		default:
			t.Errorf("%q is not in the GSM 7-bit alphabet: the SMS would be UCS-2: %q", r, s)
			n++
		}
	}
	return n
}

// hostile are names that people have, or that somebody would like to have.
func hostile() []string {
	return []string{
		"Ångström & Søn Œuvre", "O'Brien \"Bob\" <b@evil.example>", "line\r\nBcc: all@evil.example\r\n\r\nbody", "👩‍🚀🚀 Raumfahrt", "\u202egnp.exe\u202c", "\u2066x\u2069\u200b\ufeff",
		"株式会社", "Общество", "مرحبا", "<script>alert(1)</script>", "{{.Code}} %s %n $(id)", "\x00\x1b[31m", strings.Repeat("Ж", 10_000), strings.Repeat("W", 10_000),
		"\xff\xfe broken", "@evil.example #000000", "a\u2028b\u2029c\vd\u0085e", "[x]{y}|z\\~^€", "ŁódźçêôïñÑ",
	}
}

func TestSMSIsOneSegmentForAnyName(t *testing.T) {
	hosts := []string{"https://certs.bank.example", "http://127.0.0.1:8443", "https://" + strings.Repeat("long.", 10) + "example", "https://" + strings.Repeat("longer.", 34) + "example"}
	for _, host := range hosts {
		for _, brand := range append(hostile(), "Example Bank") {
			texts, err := NewTexts(Brand{Name: brand, URL: host})
			if err != nil {
				continue // an empty name is refused
			}
			for _, service := range append(hostile(), strings.Repeat("s", 40), "a") {
				for _, language := range issuance.Languages() {
					for _, kind := range []issuance.NoticeKind{issuance.CodeNotice, issuance.PasswordNotice} {
						d := sampleDispatch(kind, language)
						d.Service.Name = service
						d.CodeLifetime = 24 * time.Hour
						text := string(mustRender(t, texts, d).Text.Reveal())
						if n := septets(t, text); n > 160 {
							t.Fatalf("%d septets: %q", n, text)
						}
						if !strings.Contains(text, string(d.Secret.Reveal())) {
							t.Errorf("the secret is not whole in %q", text)
						}
						lines := strings.Split(text, "\n")
						if kind == issuance.PasswordNotice && (len(lines) != 3 || lines[1] != string(d.Secret.Reveal())) {
							t.Errorf("a name broke the lines of %q", text)
						}
						if kind == issuance.CodeNotice && len(lines) != 1 && (len(lines) != 3 || lines[1] != "" || !strings.HasPrefix(lines[2], "@"+texts.host+" #")) {
							t.Errorf("a name broke the lines of %q", text)
						}
					}
				}
			}
		}
	}
}

func TestCodeIsBoundToTheSite(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"https://certs.bank.example", "@certs.bank.example #83920174"},
		{"https://certs.bank.example:8443/portal/", "@certs.bank.example #83920174"},
		{"https://" + strings.Repeat("long.", 10) + "example", "@" + strings.Repeat("long.", 10) + "example #83920174"},
	} {
		texts, err := NewTexts(Brand{Name: strings.Repeat("Bank ", 20), URL: c.url})
		if err != nil {
			t.Fatal(err)
		}
		for _, language := range issuance.Languages() {
			m := mustRender(t, texts, sampleDispatch(issuance.CodeNotice, language))
			lines := strings.Split(string(m.Text.Reveal()), "\n")
			if got := lines[len(lines)-1]; got != c.want {
				t.Errorf("last line of the SMS in %s is %q, want %q", language, got, c.want)
			}
			if m.Lifetime != 30*time.Minute {
				t.Errorf("lifetime is %v", m.Lifetime)
			}
		}
	}
}

func TestNamesThatNoSMSCanWrite(t *testing.T) {
	texts, err := NewTexts(Brand{Name: "株式会社", URL: "https://certs.bank.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []issuance.NoticeKind{issuance.CodeNotice, issuance.PasswordNotice} {
		text := string(mustRender(t, texts, sampleDispatch(kind, "en")).Text.Reveal())
		if first, _, _ := strings.Cut(text, "\n"); !strings.Contains(first, "certs.bank.example") {
			t.Errorf("nobody knows who writes: %q", text)
		}
		d := sampleDispatch(kind, "en")
		d.Service.ID, d.Service.Name = "acme.my-page", "我的页面"
		if text := string(mustRender(t, texts, d).Text.Reveal()); !strings.Contains(text, "my-page") {
			t.Errorf("nobody knows for what: %q", text)
		}
	}
}

func TestLinkBeginsWithTheConfiguredURL(t *testing.T) {
	texts, err := NewTexts(Brand{Name: "Bank", URL: "https://certs.bank.example/portal/"})
	if err != nil {
		t.Fatal(err)
	}
	m := mustRender(t, texts, sampleDispatch(issuance.InvitationNotice, "en"))
	want := "https://certs.bank.example/portal/c/pLanTedTokenpLanTedTokenpLanTedTokenpLanTed"
	if !strings.Contains(string(m.Text.Reveal()), "\n"+want+"\n") {
		t.Errorf("the link is not on a line of its own:\n%s", m.Text.Reveal())
	}
	if got := strings.Count(string(m.HTML.Reveal()), want); got != 3 { // button, and visible with its own link
		t.Errorf("the link is %d times in the HTML, want 3", got)
	}
}

func TestNamesAreHarmlessInMails(t *testing.T) {
	for _, name := range hostile() {
		texts, err := NewTexts(Brand{Name: name + " Bank", SupportEmail: "x@bank.example", URL: "https://certs.bank.example"})
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []issuance.NoticeKind{issuance.InvitationNotice, issuance.RevokedNotice, issuance.AlertNotice} {
			d := sampleDispatch(kind, "fr")
			d.Contact.Name, d.Organization.Name, d.Service.Name, d.Notice.Text = name, name, name, name
			m := mustRender(t, texts, d)
			for what, s := range map[string]string{"subject": m.Subject, "text": string(m.Text.Reveal()), "html": string(m.HTML.Reveal())} {
				for _, r := range s {
					if unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && (r != '\n' || what == "subject") || r == '\u2028' || r == unicode.ReplacementChar {
						t.Errorf("%s of %s has %q for name %.40q", what, kind, r, name)
						break
					}
				}
			}
			if len(m.Subject) > 600 || len(m.Text.Reveal()) > 8000 {
				t.Errorf("%s grew to %d and %d bytes for a long name", kind, len(m.Subject), len(m.Text.Reveal()))
			}
			if strings.Contains(strings.ToLower(string(m.HTML.Reveal())), "<script") {
				t.Errorf("HTML of %s has the name as markup", kind)
			}
		}
	}
}

func TestUnknownLanguageIsWrittenInTheDefault(t *testing.T) {
	texts := sampleTexts(t)
	for _, language := range []string{"", "it", "de-CH", "../en", "EN"} {
		d := sampleDispatch(issuance.CodeNotice, language)
		if got, want := string(mustRender(t, texts, d).Text.Reveal()), string(mustRender(t, texts, sampleDispatch(issuance.CodeNotice, "en")).Text.Reveal()); got != want {
			t.Errorf("language %q: %q, want %q", language, got, want)
		}
	}
}

func TestBrandIsChecked(t *testing.T) {
	for _, b := range []Brand{
		{Name: "", URL: "https://x.example"},
		{Name: "\u200b", URL: "https://x.example"},
		{Name: "Bank", URL: ""},
		{Name: "Bank", URL: "certs.bank.example"},
		{Name: "Bank", URL: "javascript:alert(1)"},
		{Name: "Bank", URL: "https://user:pw@x.example"},
		{Name: "Bank", URL: "https://x.example/?a=b"},
	} {
		if _, err := NewTexts(b); issuance.KindOf(err) != issuance.Invalid {
			t.Errorf("%+v: got error %v, want an invalid one", b, err)
		}
	}
}

func TestMessageDoesNotPrint(t *testing.T) {
	texts := sampleTexts(t)
	for _, kind := range []issuance.NoticeKind{issuance.InvitationNotice, issuance.CodeNotice, issuance.PasswordNotice} {
		m := mustRender(t, texts, sampleDispatch(kind, "en"))
		if printed := fmt.Sprintf("%v %+v %#v %s", m, m, m, m); m.leaks(printed) {
			t.Errorf("a printed message shows its secret: %s", printed)
		}
	}
}

func FuzzToGSM(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := toGSM(s)
		if n := septets(t, got); n > 4*nameLimit {
			t.Errorf("%d septets", n)
		}
		if strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q has a line break", got)
		}
		if again := toGSM(got); again != got {
			t.Errorf("toGSM(%q) is %q, and of that %q", s, got, again)
		}
	})
}

func TestAnAlertBySMSFitsOneSegment(t *testing.T) {
	texts := sampleTexts(t)
	d := sampleDispatch(issuance.AlertNotice, "en")
	d.Notice.Kind, d.Notice.Channel, d.Notice.Order = issuance.AlertSMSNotice, issuance.SMS, ""
	for _, what := range []string{"E-mail is paused since 09:00 UTC: 535 refused.", strings.Repeat("long „words\x00 ", 50)} {
		d.Notice.Text = what
		text := string(mustRender(t, texts, d).Text.Reveal())
		if n := len([]rune(text)); n > 160 || !strings.Contains(text, what[:4]) {
			t.Errorf("%d characters: %q", n, text)
		}
	}
	// What does not fit ends behind a word, however many letters are before it.
	const reason = "E-mail is paused since 09:00 UTC: mail server mail.bank.example answered 535 to AUTH; check mail.smtp.username, " +
		"mail.smtp.password and mail.smtp.tls, then send the messages that wait again."
	for n := range 20 {
		d.Notice.Text = strings.Repeat("x", n) + reason
		text, cut := strings.CutSuffix(string(mustRender(t, texts, d).Text.Reveal()), "...")
		_, said, _ := strings.Cut(text, ": ")
		rest := strings.TrimPrefix(d.Notice.Text, said)
		if !cut || said == "" || rest == d.Notice.Text || !strings.ContainsRune(" ,;:.", rune(rest[0])) || len(text) < 120 {
			t.Errorf("it ends %q, before %.10q", text, rest)
		}
	}
}

// Notices of the kind revoked told of holds and releases too: those that wait since
// then say the same as the kinds that there are now.
func TestOldNoticesOfAStatusAreStillWritten(t *testing.T) {
	texts := sampleTexts(t)
	for status, kind := range map[issuance.Status]issuance.NoticeKind{
		issuance.Held: issuance.HeldNotice, issuance.Active: issuance.ReleasedNotice, issuance.Revoked: issuance.RevokedNotice,
	} {
		now, old := sampleDispatch(kind, "en"), sampleDispatch(issuance.RevokedNotice, "en")
		now.Certificate.Status, old.Certificate.Status = status, status
		a, b := mustRender(t, texts, now), mustRender(t, texts, old)
		if a.Subject != b.Subject || string(a.Text.Reveal()) != string(b.Text.Reveal()) {
			t.Errorf("%s: got %q and %q", status, a.Subject, b.Subject)
		}
	}
}
