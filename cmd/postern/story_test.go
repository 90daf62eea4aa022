package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

// TestTheStoryInABrowser is the product as a newcomer meets it: quickstart, the
// sample order approved on the command line, mail and SMS read in the outbox page,
// a wrong code, the right one, the download, the password, and the file opened
// with it. POSTERN_SCREENSHOTS names a directory for pictures of each page.
func TestTheStoryInABrowser(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/bin/chromium"); err != nil {
		t.Fatal("chromium is missing: apt-get install chromium")
	}
	q := readQuickstart(t, startQuickstart(t, dataDir(t)))
	q.approve(t)

	v := openBrowser(t)
	v.do("the outbox", chromedp.Navigate(q.box), chromedp.WaitVisible(`article a[href*="/c/"]`))
	var code string
	v.do("the code in the outbox", chromedp.WaitVisible(`article.sms p.code code`), chromedp.Text(`article.sms p.code code`, &code))
	v.do("the link in the mail", chromedp.Click(`article a[href*="/c/"]`), chromedp.WaitVisible(`#code`))
	v.want("•••• 42", "Acme Trading Ltd", "payments")
	if address := v.address(); strings.Contains(address, "/c/") {
		t.Errorf("the token is still in the address bar: %s", address)
	}

	wrong := "0000 0000"
	if code == "00000000" {
		wrong = "0000 0001"
	}
	v.do("a wrong code", chromedp.SendKeys(`#code`, wrong), chromedp.Submit(`#verify`), chromedp.WaitVisible(`#code[aria-invalid]`))
	v.want("4")
	v.do("the right code", chromedp.SetValue(`#code`, code[:4]+"-"+code[4:]), chromedp.Submit(`#verify`), chromedp.WaitVisible(`input[value="java"]`))
	v.do("the download", chromedp.Click(`input[value="java"]`), chromedp.Click(`form[data-download] .go button`))
	v.do("the password texted", chromedp.WaitVisible(`//h1[contains(., "password was sent")]`, chromedp.BySearch))
	v.want("•••• 42", "keytool")

	file := v.downloaded("*.p12")
	var password string
	v.do("the password in the outbox", chromedp.Navigate(q.box), chromedp.WaitVisible(`article.sms p.code code`), chromedp.Text(`article.sms p.code code`, &password))
	_, cert, chain, err := pkcs12.DecodeChain(file, password)
	if err != nil {
		t.Fatalf("opening the file with the password from the SMS: %v", err)
	}
	if cert.Subject.CommonName != "payments" || len(chain) != 2 {
		t.Errorf("the file has %s and a chain of %d", cert.Subject, len(chain))
	}
}

// visitor is somebody at a browser.
type visitor struct {
	t   *testing.T
	ctx context.Context
	dir string // where downloads land
}

func openBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *visitor {
	t.Helper()
	options := append(append(chromedp.DefaultExecAllocatorOptions[:], more...),
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(390, 844),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(2*time.Minute)) // a busy machine starts it slowly
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	v := &visitor{t: t, ctx: ctx, dir: t.TempDir()}
	v.do("", browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(v.dir).WithEventsEnabled(true))
	return v
}

// do does what a person does on one page, and takes its picture if that was asked for.
func (v *visitor) do(what string, actions ...chromedp.Action) {
	v.t.Helper()
	if err := chromedp.Run(v.ctx, actions...); err != nil {
		v.t.Fatalf("%s: %v\n%s", what, err, v.text())
	}
	if dir := os.Getenv("POSTERN_SCREENSHOTS"); dir != "" && what != "" {
		v.picture(filepath.Join(dir, strings.ReplaceAll(what, " ", "-")))
	}
}

func (v *visitor) picture(name string) {
	for _, width := range []int64{390, 1280} {
		for _, mode := range []string{"light", "dark"} {
			var png []byte
			err := chromedp.Run(v.ctx, chromedp.EmulateViewport(width, 844),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: mode}}),
				chromedp.Sleep(300*time.Millisecond), // colours fade over
				chromedp.FullScreenshot(&png, 100))
			if err == nil {
				err = os.WriteFile(name+"-"+mode+"-"+map[int64]string{390: "phone", 1280: "desktop"}[width]+".png", png, 0o600)
			}
			if err != nil {
				v.t.Fatal(err)
			}
		}
	}
}

// want fails unless the page shows each of parts.
func (v *visitor) want(parts ...string) {
	v.t.Helper()
	text := v.text()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			v.t.Errorf("the page does not show %q:\n%s", p, text)
		}
	}
}

func (v *visitor) text() (text string) {
	ctx, cancel := context.WithTimeout(v.ctx, 5*time.Second)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Text("body", &text))
	return text
}

func (v *visitor) address() (address string) {
	v.t.Helper()
	if err := chromedp.Run(v.ctx, chromedp.Location(&address)); err != nil {
		v.t.Fatal(err)
	}
	return address
}

// downloaded returns the one file of the pattern in the folder for downloads, once it is whole.
func (v *visitor) downloaded(pattern string) []byte {
	v.t.Helper()
	for v.ctx.Err() == nil {
		found, err := filepath.Glob(filepath.Join(v.dir, pattern))
		if err != nil {
			v.t.Fatal(err)
		}
		if len(found) == 1 {
			data, err := os.ReadFile(found[0])
			if err != nil {
				v.t.Fatal(err)
			}
			return data
		}
		time.Sleep(50 * time.Millisecond)
	}
	v.t.Fatal("no file arrived in the folder for downloads")
	return nil
}
