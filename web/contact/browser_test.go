package contact

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/postern-ca/postern/issuance"
)

// screen is a real browser, with what its console says.
type screen struct {
	*desk
	ctx context.Context

	mu       sync.Mutex
	complain []string
}

// screen opens Chromium with a phone's window.
func (d *desk) screen() *screen {
	d.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(390, 844),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(d.Context(), options...)
	d.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	d.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	d.Cleanup(cancel)
	s := &screen{desk: d, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch e := event.(type) {
		case *cdplog.EventEntryAdded:
			s.complain = append(s.complain, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			s.complain = append(s.complain, e.ExceptionDetails.Error())
		}
	})
	return s
}

func (s *screen) do(what string, actions ...chromedp.Action) {
	s.Helper()
	if err := chromedp.Run(s.ctx, actions...); err != nil {
		s.Fatalf("%s: %v (is chromium installed? apt-get install chromium)", what, err)
	}
}

// awaited waits for a promise.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// heading waits for a heading with words in it.
func heading(words string) chromedp.Action {
	return chromedp.WaitVisible(`//h1[contains(., "`+words+`")]`, chromedp.BySearch)
}

func TestPageGoesOnByItself(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	d.pass(2 * time.Minute)
	s := d.screen()
	var typed, label string
	var disabled bool
	s.do("asking for a new code", chromedp.Navigate(d.server.URL+"/c/"+link), chromedp.Click(`.second button`), chromedp.WaitVisible(`.notice.good`),
		chromedp.Text(`.second button`, &label), chromedp.Evaluate(`document.querySelector(".second button").disabled`, &disabled))
	if !disabled || !strings.Contains(label, "New code in") {
		t.Errorf("during the cool-down the button says %q, disabled %v", label, disabled)
	}
	s.do("typing half a code", chromedp.SendKeys(`#code`, "1234"))
	d.texts() // the provider takes the SMS: the page now shows until when the code is valid
	s.do("the page goes on", chromedp.WaitVisible(`[data-left]`), chromedp.Value(`#code`, &typed))
	if typed != "1234" {
		t.Errorf("what was typed became %q when the page went on", typed)
	}
	var focused string
	s.do("the focus", chromedp.Evaluate(`document.activeElement.id`, &focused))
	if focused != "code" {
		t.Errorf("the focus went to %q when the page went on", focused)
	}
	s.do("the code", chromedp.Evaluate(`document.getElementById("code").value = ""`, nil), chromedp.SendKeys(`#code`, d.code(id)+kb.Enter), heading("Where will you install"))
	s.do("choosing by keyboard", chromedp.Focus(`input[value="windows"]`), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
	var target, spoken string
	s.do("what is chosen", chromedp.Evaluate(`document.querySelector(":checked").value`, &target))
	if target != "java" {
		t.Errorf("two arrows down choose %q, want java", target)
	}
	s.do("downloading by keyboard", chromedp.KeyEvent(kb.Enter), heading("The password is being sent"))
	if got := d.order(id).State; got != issuance.DownloadedState {
		t.Errorf("the order is %s, want downloaded", got)
	}
	d.texts()
	s.do("the password was texted", heading("The password was sent"), chromedp.Text(`#live`, &spoken, chromedp.NodeReady))
	if !strings.Contains(spoken, "was sent") {
		t.Errorf("a screen reader hears %q", spoken)
	}
	var path string
	s.do("the address", chromedp.Evaluate(`location.pathname + location.search`, &path))
	if path != "/claim" {
		t.Errorf("the address is %s, want /claim", path)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.complain) > 0 {
		t.Errorf("the console says: %q", s.complain)
	}
}

func TestPageWithoutScripts(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	s := d.screen()
	s.do("the whole way", emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(d.server.URL+"/c/"+link),
		chromedp.SendKeys(`#code`, d.code(id)[:4]+" "+d.code(id)[4:]), chromedp.Click(`#verify button`),
		chromedp.WaitVisible(`input[value="openssl"]`), chromedp.Click(`input[value="openssl"]`), chromedp.Click(`.go button`))
	waitFor(t, func() bool { return d.order(id).State == issuance.DownloadedState })
	d.texts()
	s.do("the plain link", chromedp.Click(`.nojs a`), heading("The password was sent"))
}
