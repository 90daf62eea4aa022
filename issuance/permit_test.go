package issuance_test

import (
	"errors"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// A refusal says what the role may not do and whom to ask, who is never the one
// that was refused.
func TestARefusalNamesTheRolesThatMay(t *testing.T) {
	for _, c := range []struct {
		role issuance.Role
		verb issuance.Verb
		noun issuance.Noun
		says string
		hint string
	}{
		{issuance.RoleAuditor, issuance.ApproveVerb, issuance.OrderNoun, "the role auditor may not approve orders", "ask an administrator or an officer"},
		{issuance.RoleAuditor, issuance.AddVerb, issuance.OrganizationNoun, "the role auditor may not add organisations", "ask an administrator or an officer"},
		{issuance.RoleOfficer, issuance.AddVerb, issuance.TokenNoun, "the role officer may not add tokens", "ask an administrator"},
	} {
		err := issuance.Actor{Role: c.role}.May(c.verb, c.noun)
		got, ok := errors.AsType[*issuance.Error](err)
		if !ok || got.Kind != issuance.Denied || got.Message != c.says || got.Hint != c.hint {
			t.Errorf("got %+v, want %q and %q", err, c.says, c.hint)
		}
	}
	if err := (issuance.Actor{Role: issuance.RoleOfficer}).May(issuance.ApproveVerb, issuance.OrderNoun); err != nil {
		t.Errorf("an officer may approve orders: %v", err)
	}
}
