package contact

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// title returns the page's title.
func (b *browser) title() string {
	m := regexp.MustCompile(`(?s)<title>(.*?)</title>`).FindStringSubmatch(b.body)
	if m == nil {
		return ""
	}
	return m[1]
}

// downloaded takes a new order to the end, and returns the browser that did it.
func (d *desk) completed() (*browser, issuance.OrderID) {
	d.Helper()
	id, link := d.invite()
	b := d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id)).post("/claim/download", "target", "openssl")
	waitFor(d.T, func() bool { return d.order(id).State == issuance.DownloadedState })
	d.texts()
	return b.get("/claim").shows("The password was sent to"), id
}

func TestEndedOrdersNameServiceAndSupport(t *testing.T) {
	for name, end := range map[string]func(*browser, issuance.OrderID){
		"locked": func(b *browser, id issuance.OrderID) {
			b.spent(id).pass(2 * time.Minute)
			b.post("/claim/code").texts()
			b.spent(id)
		},
		"cancelled": func(b *browser, id issuance.OrderID) { b.registrar.Cancel(b.Context(), officer(), id, "") },
		"expired":   func(b *browser, _ issuance.OrderID) { b.pass(8 * 24 * time.Hour) },
		"lapsed":    func(b *browser, _ issuance.OrderID) { b.pass(8 * 24 * time.Hour); b.sweep() },
		"claimed": func(b *browser, id issuance.OrderID) {
			other := b.desk.browser()
			other.script(b.linkToken(), "code", b.code(id))
		},
	} {
		d := newDesk(t)
		id, link := d.invite()
		b := d.browser().get("/c/" + link)
		end(b, id)
		b.get("/claim").shows("payments", "certificates@bank.example", "What to do next")
		for _, part := range []string{"payments", "certificates@bank.example", "Example Bank"} {
			if !strings.Contains(b.title(), part) {
				t.Errorf("%s: the title %q does not name %s", name, b.title(), part)
			}
		}
		// To a stranger's browser it says nothing.
		if got := d.browser().get("/c/" + link); name != "locked" && (strings.Contains(got.body, "payments") || got.status != http.StatusNotFound) {
			t.Errorf("%s: a stranger reads %s", name, got.main())
		}
	}
}

func TestLockedDoesNotOutliveTheUnlocking(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/" + link)
	b.spent(id).pass(2 * time.Minute)
	b.post("/claim/code").texts()
	for range d.rules.Policy.CodeAttempts - 1 {
		b.post("/claim/verify", "code", b.wrong(id))
	}
	// The last try redirects to a page that is opened only after the unlocking.
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.post("/claim/verify", "code", b.wrong(id))
	b.client.CheckRedirect = nil
	if got := d.order(id).State; got != issuance.LockedState {
		t.Fatalf("the order is %s, want locked", got)
	}
	if _, err := d.registrar.Unlock(t.Context(), officer(), id, ""); err != nil {
		t.Fatal(err)
	}
	if b.get("/claim").shows("Get a code by text message"); strings.Contains(b.body, "is locked") {
		t.Errorf("the page still says locked: %s", b.main())
	}
}

func TestRevokedMeanwhile(t *testing.T) {
	d := newDesk(t)
	b, id := d.completed()
	if _, err := d.registrar.Hold(t.Context(), officer(), d.order(id).Serial, ""); err != nil {
		t.Fatal(err)
	}
	b.get("/claim").shows("This certificate is on hold", "certificates@bank.example")
	if _, err := d.registrar.Revoke(t.Context(), officer(), d.order(id).Serial, issuance.Superseded, ""); err != nil {
		t.Fatal(err)
	}
	b.get("/claim").shows("This certificate has been revoked", "Delete the file and its password", "certificates@bank.example", strings.ToUpper(string(d.order(id).Serial)))
	for _, stale := range []string{"The password was sent", "Install it", "Download the file again", "openssl pkcs12", "Send the password again"} {
		if strings.Contains(b.body, stale) {
			t.Errorf("the page of a revoked certificate still says %q", stale)
		}
	}
	if !strings.Contains(b.title(), "revoked") {
		t.Errorf("its title is %q", b.title())
	}
	// Revoked before the password was sent.
	early, link := d.invite()
	b = d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(early)).post("/claim/download", "target", "java")
	waitFor(t, func() bool { return d.order(early).State == issuance.DownloadedState })
	if _, err := d.registrar.Revoke(t.Context(), officer(), d.order(early).Serial, issuance.Superseded, ""); err != nil {
		t.Fatal(err)
	}
	b.get("/claim").shows("This certificate has been revoked", "Delete the file")
}

func TestPasswordAgain(t *testing.T) {
	d := newDesk(t)
	b, id := d.completed()
	first := d.passwords(id)
	b.shows("Send the password again", `data-wait="60"`)
	b.post("/claim/resend-password").shows("The password has just been sent", "60 seconds")
	d.pass(time.Minute)
	b.post("/claim/resend-password").shows("The same password is on its way to •••• 42 again", "The password is being sent to")
	if got := d.passwords(id); got != first+1 {
		t.Errorf("%d password messages, want %d", got, first+1)
	}
	d.texts()
	for range 2 {
		d.pass(time.Minute)
		b.get("/claim").post("/claim/resend-password").texts()
	}
	b.get("/claim").shows("sent as many times as allowed", "certificates@bank.example")
	d.pass(time.Hour)
	if b.get("/claim"); strings.Contains(b.body, "Send the password again") {
		t.Errorf("after the window the page offers the password: %s", b.main())
	}
	b.post("/claim/resend-password").shows("The password is no longer available")
	// A stranger with the link alone cannot have it sent.
	stranger := d.browser()
	if stranger.post("/claim/resend-password"); stranger.status != http.StatusNotFound {
		t.Errorf("a stranger gets status %d, want 404", stranger.status)
	}
}

func TestUsedUpCodesSayWhenAndWhomToCall(t *testing.T) {
	d := newDesk(t)
	_, link := d.invite()
	b := d.browser().get("/c/" + link)
	for range d.rules.Policy.CodesPerDay - 1 {
		d.pass(2 * time.Minute)
		b.post("/claim/code").texts()
	}
	b.get("/claim").shows("No more codes for now", "in 24 hours", "call the people who sent you the link", "certificates@bank.example", "data-day")
	if regexp.MustCompile(`data-wait="\d{3,}"`).MatchString(b.body) || regexp.MustCompile(`\d{4,} s`).MatchString(b.body) {
		t.Errorf("the page counts seconds: %s", b.main())
	}
	d.pass(time.Hour) // the code is over too
	b.get("/claim").shows("Get a code by text message", "No more codes for now", "in 23 hours")
}

func TestCodeEnteredElsewhere(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	waiting := d.browser().get("/c/" + link)
	other := d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id)).shows("Where will you install")
	waiting.get("/claim").shows("The code was entered on another device", "If it was not you", "certificates@bank.example", "Continue on this device instead")
	waiting.post("/claim/download", "target", "java").shows("The code was entered on another device")
	other.get("/claim").shows("Where will you install")
	if status := waiting.get("/claim/status").body; !strings.Contains(status, `"enter"`) {
		t.Errorf("the status is %s", status)
	}
}

// TestNothingToEnterThere: a page without a field does not ask to enter something.
func TestNothingToEnterThere(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id))
	page := b.body
	d.pass(31 * time.Minute)
	b.sweep()
	b.body = page
	b.post("/claim/download", "target", "java").shows("Request a new code")
	if strings.Contains(b.body, "Enter the code first") || strings.Contains(b.body, `id="code"`) {
		t.Errorf("got %s", b.main())
	}
}

func TestBlockedCookies(t *testing.T) {
	d := newDesk(t)
	_, link := d.invite()
	b := d.browser()
	b.client.Jar = nil
	b.get("/c/"+link).shows("Your browser blocks cookies", "Your link is still valid")
	if b.status != http.StatusForbidden {
		t.Errorf("status %d, want 403", b.status)
	}
	b.get("/c/" + strings.Repeat("x", 43)).shows("This link is not valid")
	kept := d.browser().get("/c/" + link)
	kept.shows("Enter the code")
	page := kept.body
	b.body = page
	b.post("/claim/verify", "code", "12345678").shows("Your browser blocks cookies")
}

func TestOnAPhone(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	for agent, phone := range map[string]bool{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": true,
		"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36":                            true,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36":                         false,
		"": false,
	} {
		b := d.browser()
		b.agent = agent
		if b.get("/c/" + link); strings.Contains(b.body, "Continue on your computer") != phone {
			t.Errorf("%s: told to go to a computer: %v, want %v", agent, !phone, phone)
		}
		if phone && d.order(id).State == issuance.InvitedState {
			b.post("/claim/verify", "code", d.code(id)).shows("Where will you install", "The file will be saved on this phone or tablet")
			d.pass(31 * time.Minute)
			b.sweep()
			d.pass(2 * time.Minute)
			b.post("/claim/code").texts()
		}
	}
}

// TestOldBrowsers sends the form as browsers before Fetch Metadata do: with the
// Origin that the page's referrer policy leaves (Fetch, "append a request Origin header").
func TestOldBrowsers(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/" + link)
	origin := d.server.URL
	if b.header.Get("Referrer-Policy") == "no-referrer" {
		origin = "null"
	}
	b.origin = origin
	if b.post("/claim/verify", "code", d.code(id)); b.status != http.StatusOK {
		t.Fatalf("with Origin: %s the form gets status %d: %s", origin, b.status, b.main())
	}
	b.shows("Where will you install")
	// The link itself stays out of every Referer.
	if h := d.raw(http.MethodGet, "/c/"+link); !strings.Contains(h, "Referrer-Policy: no-referrer\r\n") {
		t.Errorf("the answer to the link has another policy:\n%s", h)
	}
}

func TestWholeTextMessageAsCode(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/" + link)
	code := d.code(id)
	other := d.wrong(id)
	b.post("/claim/verify", "code", "codes "+code+" and "+other).shows("Enter the eight digits of the code", "It did not count")
	if got := d.order(id).Attempts; got != 0 {
		t.Errorf("%d attempts were counted", got)
	}
	b.post("/claim/verify", "code", "\u202a"+code+"\u202c is your code for the payments certificate from Bank 24. Valid 30 min. Never share it. @certs.bank.example #"+code)
	b.shows("Where will you install")
}

// TestNoAttributeIsTakenForAnEvent: the templates' engine takes data-on… for a
// handler and writes its value as a quoted string of JavaScript.
func TestNoAttributeIsTakenForAnEvent(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/" + link)
	quoted := regexp.MustCompile(`[\w-]+="(&#34;|&quot;|\\)[^"]*"`)
	for _, path := range []string{"/claim/verify", "/claim/download"} {
		if got := quoted.FindString(b.body); got != "" {
			t.Errorf("before %s: an attribute has quotes in it: %s", path, got)
		}
		b.post(path, "code", d.code(id), "target", "java")
		b.get("/claim")
	}
}
