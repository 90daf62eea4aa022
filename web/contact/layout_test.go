package contact

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdp "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/postern-ca/postern/issuance"
)

var shots = flag.String("shots", "", "write screenshots of every page into this directory")

// pages brings a browser to each page that a contact can see.
func pages() map[string]func(b *browser, id issuance.OrderID) {
	verify := func(b *browser, id issuance.OrderID) { b.post("/claim/verify", "code", b.code(id)) }
	place := func(target string) func(*browser, issuance.OrderID) {
		return func(b *browser, id issuance.OrderID) {
			verify(b, id)
			b.post("/claim/download", "target", target)
			waitFor(b.T, func() bool { return b.order(id).State == issuance.DownloadedState })
			b.texts()
		}
	}
	return map[string]func(*browser, issuance.OrderID){
		"enter":       func(*browser, issuance.OrderID) {},
		"enter-wrong": func(b *browser, id issuance.OrderID) { b.post("/claim/verify", "code", b.wrong(id)) },
		"ask":         func(b *browser, _ issuance.OrderID) { b.pass(31 * time.Minute) },
		"limit": func(b *browser, _ issuance.OrderID) {
			for range b.rules.Policy.CodesPerDay - 1 {
				b.pass(2 * time.Minute)
				b.post("/claim/code").texts()
			}
		},
		"elsewhere": func(b *browser, id issuance.OrderID) {
			other := b.desk.browser()
			other.get("/c/"+b.linkToken()).post("/claim/verify", "code", b.code(id))
		},
		"choose": verify,
		"locked": func(b *browser, id issuance.OrderID) {
			b.spent(id).pass(2 * time.Minute)
			b.post("/claim/code").texts()
			b.spent(id)
		},
		"ready": func(b *browser, id issuance.OrderID) {
			verify(b, id)
			token := b.linkToken()
			if _, err := b.registrar.Claim(b.Context(), secretOf(token), b.session(token), issuance.ClaimRequest{}); err != nil {
				b.Fatal(err)
			}
		},
		"texting": func(b *browser, id issuance.OrderID) {
			verify(b, id)
			b.post("/claim/download", "target", "other")
			waitFor(b.T, func() bool { return b.order(id).State == issuance.DownloadedState })
		},
		"windows": place("windows"), "java": place("java"), "openssl": place("openssl"), "dotnet": place("dotnet"), "apple": place("apple"), "other": place("other"),
		"undelivered": func(b *browser, id issuance.OrderID) {
			verify(b, id)
			b.post("/claim/download", "target", "java")
			waitFor(b.T, func() bool { return b.order(id).State == issuance.DownloadedState })
			b.refuse(true)
		},
		"held": func(b *browser, id issuance.OrderID) {
			place("apple")(b, id)
			b.registrar.Hold(b.Context(), officer(), b.order(id).Serial, "")
		},
		"revoked": func(b *browser, id issuance.OrderID) {
			place("apple")(b, id)
			b.registrar.Revoke(b.Context(), officer(), b.order(id).Serial, issuance.Superseded, "")
		},
		"csr": func(b *browser, id issuance.OrderID) {
			verify(b, id)
			b.post("/claim/download", "csr", testRequest(b.T))
		},
	}
}

// hardNames gives the customer and the service names that are hard to set.
func (d *desk) hardNames() {
	err := d.store.Update(d.Context(), func(tx issuance.Tx) error {
		o, err := tx.Organization("acme")
		o.Name = strings.Repeat("Donaudampfschifffahrt", 4)
		s, err2 := tx.Service("acme.payments")
		s.ID, s.Name = "acme.settlement-and-reconciliation-gateway-of-europe-west", "settlement-and-reconciliation-gateway-of-europe-west"
		d.service = s.ID
		return errors.Join(err, err2, tx.PutOrganization(o), tx.PutService(s))
	})
	if err != nil {
		d.Fatal(err)
	}
}

// become gives the screen b's cookies.
func (s *screen) become(b *browser) chromedp.Action {
	home, err := url.Parse(s.server.URL)
	if err != nil {
		s.Fatal(err)
	}
	var set []*network.CookieParam
	for _, c := range b.client.Jar.Cookies(home) {
		if !strings.HasPrefix(c.Name, "__Host-") {
			set = append(set, &network.CookieParam{Name: c.Name, Value: c.Value, Domain: home.Hostname(), Path: "/"})
		}
	}
	return chromedp.Tasks{network.ClearBrowserCookies(), network.SetCookies(set)}
}

// outside lists what reaches over the window's edge or out of its box.
const outside = `[...document.querySelectorAll("body *")].filter(e => !e.closest(".hidden, .skip, svg"))
	.filter(e => e.getClientRects().length && (e.getBoundingClientRect().right > innerWidth + 0.5 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).display !== "inline" && !["INPUT", "TEXTAREA", "SELECT"].includes(e.tagName)))
	.map(e => e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 30)).concat(document.documentElement.scrollWidth > innerWidth ? ["the page"] : []).join("; ")`

// TestNothingRunsOut measures every page in a real browser: on a phone and on a
// desktop, with every box that folds open; the longest pages in every language.
func TestNothingRunsOut(t *testing.T) {
	d := newDesk(t)
	d.hardNames()
	s := d.screen()
	for name, bring := range pages() {
		d.speak("en")
		id, link := d.invite()
		b := d.browser().get("/c/" + link)
		bring(b, id)
		languages := []string{"de"} // whose words are the longest
		if *shots != "" || name == "choose" || name == "other" {
			languages = issuance.Languages()
		}
		for _, lang := range languages {
			d.speak(lang)
			s.do(name, s.become(b), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{still}), chromedp.Navigate(d.server.URL+"/claim"),
				chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
			s.measure(name, lang)
		}
	}
}

// TestTheStopPageRunsOutNowhere measures the page that stops a change, before and after.
func TestTheStopPageRunsOutNowhere(t *testing.T) {
	d := newDesk(t, withPolicy(coolingOff))
	link := d.redirected()
	s := d.screen()
	for _, lang := range issuance.Languages() {
		d.speak(lang)
		s.do("stop", chromedp.Navigate(d.server.URL+"/stop/"+link), chromedp.WaitVisible(`main button`))
		s.measure("stop", lang)
	}
	d.speak("en")
	s.do("stopped", chromedp.Click(`main button`), chromedp.WaitNotPresent(`main button`))
	s.measure("stopped", "en")
}

// measure looks at the page on a phone and on a desktop.
func (s *screen) measure(name, lang string) {
	s.Helper()
	for _, width := range []int64{360, 1280} {
		var got string
		s.do(name, emulation.SetDeviceMetricsOverride(width, 800, 1, false), chromedp.Evaluate(outside, &got))
		if got != "" {
			s.Errorf("%s in %s at %d px runs out: %s", name, lang, width, got)
		}
		s.shoot(fmt.Sprintf("%s-%s-%d", name, lang, width))
	}
}

// still asks the page not to move.
var still = &emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "reduce"}

// shoot takes pictures in light and dark, if they are asked for.
func (s *screen) shoot(name string) {
	if *shots == "" || !strings.Contains(name, "-en-") {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		var png []byte
		s.do("a picture", emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{still, {Name: "prefers-color-scheme", Value: scheme}}), chromedp.FullScreenshot(&png, 100))
		if err := os.WriteFile(filepath.Join(*shots, name+"-"+scheme+".png"), png, 0o600); err != nil {
			s.Fatal(err)
		}
	}
}

func TestOnePressCopiesACommand(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/" + link)
	pages()["java"](b, id)
	s := d.screen()
	var want, got, label, selected string
	s.do("copying", cdp.GrantPermissions([]cdp.PermissionType{cdp.PermissionTypeClipboardReadWrite, cdp.PermissionTypeClipboardSanitizedWrite}),
		s.become(b), chromedp.Navigate(d.server.URL+"/claim"), chromedp.WaitVisible(`button.copy`),
		chromedp.Evaluate(`document.querySelectorAll(".command pre")[1].textContent`, &want),
		chromedp.Click(`document.querySelectorAll("button.copy")[1]`, chromedp.ByJSPath), chromedp.WaitVisible(`//button[.="Copied"]`, chromedp.BySearch),
		chromedp.Evaluate(`document.querySelectorAll("button.copy")[1].textContent`, &label),
		chromedp.Evaluate(`navigator.clipboard.readText()`, &got, chromedp.EvalAsValue, awaited))
	if got != want || !strings.Contains(want, "\n") || label != "Copied" {
		t.Errorf("copied %q, want %q; the button says %q", got, want, label)
	}
	s.do("without scripts", emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(d.server.URL+"/claim"),
		chromedp.WaitVisible(`.command pre`), chromedp.WaitNotVisible(`button.copy`), chromedp.Click(`.command pre`), emulation.SetScriptExecutionDisabled(false),
		chromedp.Evaluate(`getSelection().toString()`, &selected))
	if !strings.HasPrefix(selected, "install -m 600") {
		t.Errorf("one press without scripts selects %q", selected)
	}
}
