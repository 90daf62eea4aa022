package delivery

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

func updateGoldens() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files anew")
	flag.Parse()
	os.Exit(m.Run())
}

func sampleTexts(t testing.TB) *Texts {
	t.Helper()
	texts, err := NewTexts(Brand{Name: "Example Bank", SupportEmail: "certificates@bank.example", SupportPhone: "+41 44 123 45 67", URL: "https://certs.bank.example"})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// sampleDispatch is a notice of kind with everything that its text needs.
func sampleDispatch(kind issuance.NoticeKind, language string) issuance.Dispatch {
	secrets := map[issuance.NoticeKind]string{
		issuance.InvitationNotice: "pLanTedTokenpLanTedTokenpLanTedTokenpLanTed",
		issuance.CodeNotice:       "83920174",
		issuance.ChangeMailNotice: "pLanTedTokenpLanTedTokenpLanTedTokenpLanTed",
		issuance.ChangeSMSNotice:  "pLanTedTokenpLanTedTokenpLanTedTokenpLanTed",
		issuance.PasswordNotice:   "h7kd-2mqx-9e4r-vt3a-bzn8-6wyc",
	}
	created := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	d := issuance.Dispatch{
		Notice: issuance.Notice{
			ID: "msg-01kabcdefghjkmnpqrstvwxyz0", Kind: kind, Channel: kind.Channel(), To: "anna@acme.example", Language: language,
			Order: "ord-01kabcdefghjkmnpqrstvwxyz0", Attempts: 1, CreatedAt: created,
		},
		Contact:      issuance.Contact{Name: "Anna Muster", Email: "anna@acme.example", Mobile: "+41791234542", Language: language},
		Organization: issuance.Organization{ID: "acme", Name: "Acme AG"},
		Service:      issuance.Service{ID: "acme.payments", Name: "payments"},
		CodeLifetime: 30 * time.Minute,
		LinkExpires:  created.Add(7 * 24 * time.Hour),
		Secret:       issuance.NewSecret([]byte(secrets[kind])),
	}
	switch kind {
	case issuance.CodeNotice:
		d.Notice.To = d.Contact.Mobile
	case issuance.PasswordNotice:
		d.Notice.To, d.Notice.Serial = d.Contact.Mobile, "3f9a0c1e5b7d2f4a6c8e0b1d3f5a7c9e1b"
	case issuance.RevokedNotice, issuance.HeldNotice, issuance.ReleasedNotice:
		d.Notice.Serial = "3f9a0c1e5b7d2f4a6c8e0b1d3f5a7c9e1b"
		d.Certificate = issuance.Certificate{Serial: d.Notice.Serial, Status: issuance.Revoked, Reason: issuance.KeyCompromise, ChangedAt: created}
	case issuance.RenewedNotice:
		d.Notice.Serial = "3f9a0c1e5b7d2f4a6c8e0b1d3f5a7c9e1b"
		d.Certificate = issuance.Certificate{Serial: d.Notice.Serial, Status: issuance.Active, IssuedAt: created, NotAfter: created.AddDate(2, 0, 0)}
	case issuance.ChangeMailNotice, issuance.ChangeSMSNotice:
		was := issuance.Particulars{Email: d.Contact.Email, Mobile: d.Contact.Mobile, MayReceive: true}
		d.Proposal = issuance.Proposal{ID: "chg-01kabcdefghjkmnpqrstvwxyz0", Was: was, Wanted: was}
		d.Proposal.Wanted.Email, d.Proposal.Wanted.Mobile = "berta@acme.example", "+41791234511"
		d.Notice.Order, d.Notice.Text = "", string(d.Proposal.ID)
		if kind == issuance.ChangeSMSNotice {
			d.Notice.To = d.Contact.Mobile
		}
	case issuance.AlertNotice:
		d.Contact = issuance.Contact{}
		d.Notice.To, d.Notice.Text = "staff@bank.example", "The code sms for order ord-01kabcdefghjkmnpqrstvwxyz0 could not be delivered.\nFix the cause."
	}
	return d
}

func mustRender(t testing.TB, texts *Texts, d issuance.Dispatch) Message {
	t.Helper()
	m, err := texts.Render(d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "texts", name)
	if updateGoldens() {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); if it should, run the test with -update:\n%s", path, diff)
	}
}
