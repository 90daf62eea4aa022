package main

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestTheStoryOfACSRInABrowser is the story for who has a key already: a CSR that
// does not work, one that does, and the chain as a file, in another form, too.
func TestTheStoryOfACSRInABrowser(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/bin/chromium"); err != nil {
		t.Fatal("chromium is missing: apt-get install chromium")
	}
	q := readQuickstart(t, startQuickstart(t, t.TempDir()))
	q.approve(t)
	v := openBrowser(t)
	var code string
	v.do("", chromedp.Navigate(q.box), chromedp.WaitVisible(`article.sms p.code code`), chromedp.Text(`article.sms p.code code`, &code))
	v.do("", chromedp.Click(`article a[href*="/c/"]`), chromedp.WaitVisible(`#code`))
	v.do("", chromedp.SetValue(`#code`, code), chromedp.Submit(`#verify`), chromedp.WaitVisible(`input[value="java"]`))

	const ask = `form[data-download][enctype] button`
	open := chromedp.Evaluate(`document.querySelector('#csr').closest('details').open = true`, nil)
	v.do("a CSR that is none", open, chromedp.SetValue(`#csr`, "-----BEGIN PRIVATE KEY-----"), chromedp.Click(ask), chromedp.WaitVisible(`#csr[aria-invalid]`))
	key := newKey(t)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "anything"}}, key)
	must(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	v.do("the chain", chromedp.SetValue(`#csr`, text), chromedp.Click(ask), chromedp.WaitNotPresent(`#csr`), chromedp.WaitVisible(`h1`))
	block, rest := pem.Decode(v.downloaded("*.pem"))
	if block == nil {
		t.Fatal("what was downloaded is not PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	if !key.PublicKey.Equal(leaf.PublicKey) || leaf.Subject.CommonName != "payments" {
		t.Errorf("the certificate is %s's, with another key", leaf.Subject)
	}
	if next, _ := pem.Decode(rest); next == nil {
		t.Error("the chain has one certificate")
	}
}
