package contact

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func TestClaim(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser()
	b.get("/c/"+link).shows("Enter the code from the text message", "•••• 42", "Example Bank", "payments", "30 minutes left",
		`inputmode="numeric"`, `autocomplete="one-time-code"`, "ACME &#34;Trading&#34; &lt;&amp; Söhne&gt; 🏦")
	if strings.Contains(b.body, link) {
		t.Error("the page has the link's token in it")
	}
	b.post("/claim/verify", "code", d.wrong(id)).shows("That code is wrong", "4 attempts left")
	b.get("/claim")
	if strings.Contains(b.body, "That code is wrong") {
		t.Error("the mistake is still shown when the page is opened again")
	}
	code := d.code(id)
	b.post("/claim/verify", "code", code[:4]+" - "+code[4:]).shows("Where will you install the certificate?", "30 minutes left")

	b.post("/claim/download", "target", "java", "key", "P-256")
	if got, want := b.header.Get("Content-Type"), "application/x-pkcs12"; got != want {
		t.Fatalf("the download is %s, want %s: %s", got, want, b.main())
	}
	if got, want := b.header.Get("Content-Disposition"), `attachment; filename="payments.p12"`; got != want {
		t.Errorf("Content-Disposition is %s, want %s", got, want)
	}
	first := b.body
	waitFor(t, func() bool { return d.order(id).State == issuance.DownloadedState })
	b.get("/claim").shows("The password is being sent to •••• 42", "keytool -list", "Djavax.net.ssl.keyStore=/etc/payments/payments.p12",
		strings.ToUpper(string(d.order(id).Serial)))
	d.texts()
	b.get("/claim").shows("The password was sent to •••• 42", "Download the file again", "delete the text message")
	if got := b.post("/claim/download").body; got != first {
		t.Errorf("the second download has %d other bytes", len(got))
	}
	if got := d.passwords(id); got != 1 {
		t.Errorf("%d password SMS were queued, want 1", got)
	}
	d.pass(31 * time.Minute)
	b.get("/claim").shows("The password was sent")
	b.post("/claim/download").shows("The time to download has expired")
}

// waitFor waits until what a request does after its answer is done.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing came of it in two minutes")
		}
	}
}

func TestStatusOfDeadLink(t *testing.T) {
	d := newDesk(t)
	if got := d.browser().get("/claim").status; got != http.StatusNotFound {
		t.Errorf("status %d, want 404", got)
	}
}
