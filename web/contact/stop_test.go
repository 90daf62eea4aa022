package contact

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// redirected has the contact's number changed, and returns the link in the mail
// that tells the old address.
func (d *desk) redirected() string {
	d.Helper()
	_, err := d.registrar.ChangeContact(d.Context(), officer(), d.contact, func(c *issuance.Contact) { c.Mobile = "+41790000666" })
	if err != nil {
		d.Fatal(err)
	}
	for _, m := range d.take(issuance.Mail) {
		if m.Notice.Kind == issuance.ChangeMailNotice {
			return string(m.Secret.Reveal())
		}
	}
	d.Fatal("the old address was not told")
	return ""
}

func (d *desk) person() (c issuance.Contact) {
	d.Helper()
	if err := d.store.View(d.Context(), func(tx issuance.Snapshot) (err error) {
		c, err = tx.Contact(d.contact)
		return err
	}); err != nil {
		d.Fatal(err)
	}
	return c
}

func coolingOff(p *issuance.Policy) { p.CoolingOff = 24 * time.Hour }

// TestAStopIsAButton: opening the link changes nothing, whoever opens it, and its
// token stands in no log.
func TestAStopIsAButton(t *testing.T) {
	d := newDesk(t, withPolicy(coolingOff))
	link := d.redirected()
	before := d.person()
	b := d.browser()
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete} {
		r, err := http.NewRequestWithContext(t.Context(), method, d.server.URL+"/stop/"+link, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.do(r)
	}
	b.get("/stop/"+link+")=20").shows("Stop the change of your contact details?", "Stop the change")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+"/stop/"+link, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if b.do(r); b.status != http.StatusForbidden {
		t.Errorf("another site's form: status %d, want 403", b.status)
	}
	if diff := cmp.Diff(before, d.person()); diff != "" {
		t.Fatalf("it changed the contact:\n%s", diff)
	}
	b.get("/stop/" + link)
	b.post("/stop/" + link).shows("The change is stopped")
	if !d.person().Disabled {
		t.Error("the button changed nothing")
	}
	b.get("/stop/" + link).shows("The change is stopped")
	if strings.Contains(d.log.String(), link) {
		t.Error("the token stands in the log")
	}
	if b.header.Get("Cache-Control") != "no-store" || b.header.Get("Referrer-Policy") == "" {
		t.Errorf("the page's headers: %v", b.header)
	}
}

// TestAStopThatIsOver looks as one that never was, and is no way into a claim.
func TestAStopThatIsOver(t *testing.T) {
	d := newDesk(t, withPolicy(coolingOff))
	link := d.redirected()
	b := d.browser().get("/c/" + link)
	b.get("/claim").shows("This link is not valid")
	d.pass(24 * time.Hour)
	for _, token := range []string{link, "x", strings.Repeat("a", 43)} {
		if b.get("/stop/" + token).shows("This link is not valid"); b.status != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", token, b.status)
		}
	}
}
