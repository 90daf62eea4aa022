package contact

import (
	"html"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

// spent enters a wrong code until the present one is spent.
func (b *browser) spent(id issuance.OrderID) *browser {
	for range b.rules.Policy.CodeAttempts {
		b.post("/claim/verify", "code", b.wrong(id))
	}
	return b
}

// TestEveryFailureHasItsWords brings a browser that opened the link while it was
// alive into each trouble, in each language, and reads what the page says.
func TestEveryFailureHasItsWords(t *testing.T) {
	verify := func(b *browser, code string) *browser { return b.post("/claim/verify", "code", code) }
	for name, trouble := range map[string]struct {
		options []option
		keys    []string
		bring   func(b *browser, id issuance.OrderID)
	}{
		"wrong code": {keys: []string{"failure.wrong-code.title", "failure.wrong-code.next"}, bring: func(b *browser, id issuance.OrderID) { verify(b, b.wrong(id)) }},
		"not a code": {keys: []string{"failure.malformed-code.title"}, bring: func(b *browser, id issuance.OrderID) { verify(b, "1234 567") }},
		"right but expired": {keys: []string{"failure.code-expired.title", "ask.button"}, bring: func(b *browser, id issuance.OrderID) {
			b.pass(30 * time.Minute)
			verify(b, b.code(id))
		}},
		"too many for a code": {keys: []string{"failure.code-spent.title", "ask.button"}, bring: func(b *browser, id issuance.OrderID) { b.spent(id) }},
		"locked": {keys: []string{"failure.locked.title", "failure.locked.next"}, bring: func(b *browser, id issuance.OrderID) {
			b.spent(id).pass(2 * time.Minute)
			b.post("/claim/code").texts()
			b.spent(id)
		}},
		"link expired": {keys: []string{"failure.link-expired.title"}, bring: func(b *browser, id issuance.OrderID) {
			b.pass(8 * 24 * time.Hour)
			b.get("/claim")
		}},
		"link lapsed": {keys: []string{"failure.link-expired.title"}, bring: func(b *browser, id issuance.OrderID) {
			b.pass(8 * 24 * time.Hour)
			b.sweep().get("/claim")
		}},
		"claimed elsewhere": {keys: []string{"failure.already-claimed.title", "failure.already-claimed.next"}, bring: func(b *browser, id issuance.OrderID) {
			other := b.desk.browser()
			other.client.Jar = nil
			token := b.linkToken()
			other.script(token, "code", b.code(id))
			b.get("/claim")
		}},
		"verified elsewhere": {keys: []string{"elsewhere.title", "elsewhere.notMeWhat", "elsewhere.hereWhat", "ask.button"}, bring: func(b *browser, id issuance.OrderID) {
			if _, err := b.registrar.Verify(b.Context(), secretOf(b.linkToken()), b.code(id)); err != nil {
				b.Fatal(err)
			}
			b.get("/claim")
		}},
		"cancelled": {keys: []string{"failure.cancelled.title"}, bring: func(b *browser, id issuance.OrderID) {
			if _, err := b.registrar.Cancel(b.Context(), officer(), id, ""); err != nil {
				b.Fatal(err)
			}
			b.get("/claim")
		}},
		"replaced": {keys: []string{"failure.link.title", "failure.link.what"}, bring: func(b *browser, id issuance.OrderID) {
			if _, err := b.registrar.Resend(b.Context(), officer(), id, ""); err != nil {
				b.Fatal(err)
			}
			b.get("/claim")
		}},
		"session over": {keys: []string{"ask.lost", "ask.button"}, bring: func(b *browser, id issuance.OrderID) {
			verify(b, b.code(id)).pass(31 * time.Minute)
			b.sweep().get("/claim")
		}},
		"window closed": {keys: []string{"failure.window-closed.title"}, bring: func(b *browser, id issuance.OrderID) {
			verify(b, b.code(id))
			token := b.linkToken()
			if _, err := b.registrar.Claim(b.Context(), secretOf(token), b.session(token), issuance.ClaimRequest{}); err != nil {
				b.Fatal(err)
			}
			b.pass(31 * time.Minute)
			b.get("/claim")
		}},
		"no session": {keys: []string{"failure.no-session.title"}, bring: func(b *browser, id issuance.OrderID) { b.post("/claim/download", "target", "java") }},
		"cool-down":  {keys: []string{"failure.cooldown.title", "failure.cooldown.next"}, bring: func(b *browser, id issuance.OrderID) { b.post("/claim/code") }},
		"enough for today": {keys: []string{"failure.daily-limit.title"}, bring: func(b *browser, id issuance.OrderID) {
			for range b.rules.Policy.CodesPerDay {
				b.pass(2 * time.Minute)
				b.post("/claim/code").texts()
			}
		}},
		"provider down": {keys: []string{"failure.provider-down.title", "failure.provider-down.what"}, bring: func(b *browser, id issuance.OrderID) {
			b.pass(2 * time.Minute)
			b.post("/claim/code").refuse(false)
			b.get("/claim")
		}},
		"provider down, new code": {keys: []string{"failure.provider-down.title", "failure.provider-down.next"}, bring: func(b *browser, id issuance.OrderID) {
			b.pass(2 * time.Minute)
			b.post("/claim/code").refuse(false)
			b.pass(2 * time.Minute)
			b.post("/claim/code")
		}},
		"channel paused": {keys: []string{"failure.provider-down.title", "failure.provider-down.what"}, bring: func(b *browser, id issuance.OrderID) {
			b.pass(2 * time.Minute)
			b.post("/claim/code")
			b.pass(40 * time.Minute)
			b.get("/claim")
		}},
		"too late to be sent": {keys: []string{"ask.failed", "ask.button"}, bring: func(b *browser, id issuance.OrderID) {
			b.pass(2 * time.Minute)
			b.post("/claim/code").refuse(false)
			b.pass(6 * time.Minute)
			b.get("/claim")
		}},
		"undeliverable": {keys: []string{"ask.failed", "ask.button"}, bring: func(b *browser, id issuance.OrderID) {
			b.pass(2 * time.Minute)
			b.post("/claim/code").refuse(true)
			b.get("/claim")
		}},
		"new code": {keys: []string{"enter.sent", "enter.waiting"}, bring: func(b *browser, id issuance.OrderID) {
			b.pass(2 * time.Minute)
			b.post("/claim/code")
		}},
		"code only on request": {
			options: []option{withPolicy(func(p *issuance.Policy) { p.CodeOnRequest = true })},
			keys:    []string{"ask.none", "ask.button"}, bring: func(b *browser, id issuance.OrderID) { b.get("/claim") },
		},
		"password in a paused channel": {keys: []string{"file.delayedWhat"}, bring: func(b *browser, id issuance.OrderID) {
			verify(b, b.code(id)).post("/claim/download", "target", "java")
			waitFor(b.T, func() bool { return b.order(id).State == issuance.DownloadedState })
			b.pass(time.Minute)
			b.get("/claim")
		}},
		"password undeliverable": {keys: []string{"file.failedTitle", "file.failedWhat"}, bring: func(b *browser, id issuance.OrderID) {
			verify(b, b.code(id)).post("/claim/download", "target", "java")
			waitFor(b.T, func() bool { return b.order(id).State == issuance.DownloadedState })
			b.refuse(true)
			b.get("/claim")
		}},
		"bad CSR": {keys: []string{"failure.csr.title", "failure.csr.next"}, bring: func(b *browser, id issuance.OrderID) {
			verify(b, b.code(id)).post("/claim/download", "csr", "rubbish <b>")
			b.shows("rubbish &lt;b&gt;", "this is not a certificate request")
		}},
		"bad key": {keys: []string{"failure.invalid.title"}, bring: func(b *browser, id issuance.OrderID) {
			verify(b, b.code(id)).post("/claim/download", "target", "java", "key", "DES")
		}},
	} {
		for _, lang := range issuance.Languages() {
			t.Run(name+" "+lang, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, trouble.options...)
				d.speak(lang)
				id, link := d.invite()
				b := d.browser()
				b.language = lang
				b.get("/c/" + link)
				trouble.bring(b, id)
				for _, key := range trouble.keys {
					b.shows(before(d.text(lang, key)))
				}
				b.shows(`lang="` + lang + `"`)
			})
		}
	}
}

// plainPages are the pages without a brand: reading them takes long under the race detector.
var plainPages = sync.OnceValues(func() (*page.Pages, error) {
	site, err := page.New(page.Brand{}, "")
	if err != nil {
		return nil, err
	}
	return site.Pages(files)
})

// text returns the text of key, escaped as in a page, with a mark where values stand.
func (d *desk) text(lang, key string) string {
	d.Helper()
	pages, err := plainPages()
	if err != nil {
		d.Fatal(err)
	}
	s, err := pages.Text(lang, key, "Mobile", "•••• 42", "Wait", "@@")
	if err != nil {
		d.Fatal(err)
	}
	return strings.ReplaceAll(html.EscapeString(s), "+", "&#43;")
}

// before returns what of a text stands before its first value.
func before(s string) string {
	s, _, _ = strings.Cut(s, "@@")
	return s
}

// sweep does what time demands.
func (b *browser) sweep() *browser {
	b.Helper()
	if err := b.registrar.Sweep(b.Context()); err != nil {
		b.Fatal(err)
	}
	return b
}

// refuse has the provider refuse the waiting SMS.
func (b *browser) refuse(permanent bool) {
	b.Helper()
	out, err := b.registrar.TakeNotices(b.Context(), issuance.SMS, 100, time.Minute)
	if err != nil || len(out) == 0 {
		b.Fatalf("%d SMS are waiting: %v", len(out), err)
	}
	for _, n := range out {
		refusal := issuance.Outcome{Err: &issuance.Error{Message: "no"}, Permanent: permanent}
		if err := b.registrar.Settle(b.Context(), n.Notice.ID, refusal); err != nil {
			b.Fatal(err)
		}
	}
}
