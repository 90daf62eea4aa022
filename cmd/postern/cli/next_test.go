package cli

import (
	"testing"

	"github.com/postern-ca/postern/issuance"
)

func TestAdviceNamesTheCommand(t *testing.T) {
	for _, test := range []struct {
		err  *issuance.Error
		want string
	}{
		{issuance.NoSuch(issuance.OrganizationNoun, "x"), "check the spelling, or list those that exist: `postern org list`"},
		{issuance.NoSuch(issuance.CertificateNoun, "x"), "check the spelling, or list those that exist: `postern cert list`"},
		{
			&issuance.Error{Hint: "resend the order", Next: issuance.Next{Verb: issuance.ResendVerb, Noun: issuance.OrderNoun, ID: "ord-1"}},
			"resend the order: `postern order resend ord-1`",
		},
		{
			&issuance.Error{Hint: "see its history", Next: issuance.Next{Verb: issuance.ListVerb, Noun: issuance.AuditNoun, ID: "3f"}},
			"see its history: `postern audit list --serial 3f`",
		},
		{
			&issuance.Error{Hint: "create one", Next: issuance.Next{Verb: issuance.CreateLocalVerb, Noun: issuance.TokenNoun}},
			"create one: `postern token create --local`",
		},
		{&issuance.Error{Hint: "wait"}, "wait"},
	} {
		if got := advice(test.err); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
