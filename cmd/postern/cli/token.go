package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

func tokens(n *connection) *cobra.Command {
	return group("token", "Bearer tokens of the admin API",
		listCommand(n, listing[tokenRecord]{
			columns: []string{"id", "name", "role", "created_at", "expires_at", "revoked_at"},
			short:   "List tokens", plural: "tokens", path: "api/v1/tokens",
			head: []string{"NAME", "ROLE", "CREATED", "EXPIRES", "REVOKED", "TOKEN"},
			row: func(_ namer, t tokenRecord) []string {
				return []string{t.Name, t.Role, when(t.CreatedAt), when(t.ExpiresAt), when(t.RevokedAt), t.ID}
			},
		}),
		showCommand(n, showing[tokenRecord]{
			arg: "token", short: "Show a token; never the secret", path: at("tokens"),
			lines: aboutToken,
		}),
		addToken(n),
		verbCommand(n, verb[tokenRecord]{
			name: "revoke", short: "Revoke a token at once", arg: "token", path: at("tokens"), ask: "Revoke this token? This cannot be undone.", about: aboutToken,
			told: func(t tokenRecord) string { return "revoked token " + t.ID + ", " + t.Name },
		}))
}

func aboutToken(_ namer, t tokenRecord, s *sheet) {
	s.add("token", t.ID)
	s.add("name", t.Name)
	s.add("role", t.Role)
	s.add("made", when(t.CreatedAt))
	s.add("ends", when(t.ExpiresAt))
	s.add("revoked", when(t.RevokedAt))
}

func addToken(n *connection) *cobra.Command {
	var name, role string
	var lifetime time.Duration
	roles := words(issuance.RoleAdministrator, issuance.RoleOfficer, issuance.RoleAuditor)
	c := &cobra.Command{
		Use: "add --name NAME --role ROLE", Aliases: []string{"create"}, Short: "Create a token, and print it once",
		Long: `Creates a token. It is printed once, alone on standard output, and cannot be shown
again.

ROLE is administrator (everything), officer (orders, certificates, contacts,
services) or auditor (reads).`,
		Example: "  POSTERN_TOKEN=$(postern token add --name ci --role auditor --lifetime 2160h)",
		Args:    args(),
		RunE: func(c *cobra.Command, _ []string) error {
			known, err := choose(role, roles)
			if err != nil {
				return flagError(c, "role", err)
			}
			body := map[string]string{"name": name, "role": known}
			if lifetime != 0 {
				body["lifetime"] = lifetime.String()
			}
			api, err := n.client()
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := api.post(c.Context(), "api/v1/tokens", body, &raw); err != nil {
				return err
			}
			if n.json {
				return printJSON(c.OutOrStdout(), raw)
			}
			var t tokenRecord
			if err := json.Unmarshal(raw, &t); err != nil {
				return fmt.Errorf("reading the token: %w", err)
			}
			say(c.ErrOrStderr(), "created token %s, %s, %s; save it now, it will not be shown again:", t.ID, t.Name, t.Role)
			say(c.OutOrStdout(), "%s", t.Token)
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "", "what it is for")
	c.Flags().StringVar(&role, "role", "", "administrator, officer or auditor")
	complete(c, "role", roles...)
	c.Flags().DurationVar(&lifetime, "lifetime", 0, "how long it is valid, for example 2160h (default: it never expires)")
	require(c, "name", "role")
	return c
}

func audit(n *connection) *cobra.Command {
	return group("audit", "Who did what",
		listCommand(n, listing[auditRecord]{
			columns: []string{
				"seq", "at", "actor.name", "actor.role", "actor.id", "verb", "organization", "order", "serial",
				"subject", "detail",
			},
			short: "List audit records, the newest first", plural: "audit records", path: "api/v1/audit",
			filters: []filter{
				{name: "order", parameter: "order", usage: "of this order"},
				{name: "serial", parameter: "serial", usage: "of this certificate"},
			},
			head: []string{"AT", "WHO", "DID", "TO", "DETAIL"},
			row: func(_ namer, r auditRecord) []string {
				to := first(r.Order, r.Serial, r.Subject, r.Organization)
				return []string{when(r.At), who(r.Actor), r.Verb, to, detail(r)}
			},
		}))
}

// detail returns what else an audit record tells.
func detail(r auditRecord) string {
	parts := []string{"#" + strconv.FormatUint(r.Seq, 10)}
	if r.Order != "" && r.Serial != "" {
		parts = append(parts, "serial="+r.Serial)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Detail)) {
		parts = append(parts, name+"="+r.Detail[name])
	}
	return strings.Join(parts, " ")
}
