package contact

import (
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// TestAServicesNameIsShownAndItsIdentifierIsTyped claims for a service with a name
// that no shell and no file system should be given.
func TestAServicesNameIsShownAndItsIdentifierIsTyped(t *testing.T) {
	d := newDesk(t)
	d.service = "acme.my-page"
	if err := d.store.Update(t.Context(), func(tx issuance.Tx) error {
		return tx.PutService(issuance.Service{
			ID: d.service, Organization: "acme", Name: "Anna's page & Größen",
			Environment: issuance.Production, Key: issuance.P256, Target: issuance.Modern,
		})
	}); err != nil {
		t.Fatal(err)
	}
	id, link := d.invite()
	b := d.browser()
	b.get("/c/" + link).shows("<bdi>Anna&#39;s page &amp; Größen</bdi>")
	b.post("/claim/verify", "code", d.code(id)).shows("my-page.csr", "my-page.key")
	if strings.Contains(b.body, "page &amp; Größen.csr") {
		t.Error("a command has the name in it")
	}
	b.post("/claim/download", "target", "java", "key", "P-256")
	if got, want := b.header.Get("Content-Disposition"), `attachment; filename="my-page.p12"`; got != want {
		t.Errorf("Content-Disposition is %s, want %s", got, want)
	}
	waitFor(t, func() bool { return d.order(id).State == issuance.DownloadedState })
	b.get("/claim").shows("<bdi>Anna&#39;s page &amp; Größen</bdi>", "Djavax.net.ssl.keyStore=/etc/my-page/my-page.p12")
}
