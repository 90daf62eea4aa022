package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/local"
	"github.com/postern-ca/postern/issuance"
)

func tokens(n *connection) *cobra.Command {
	return group("token", "Bearer tokens of the admin API",
		listCommand(n, listing[tokenRecord]{
			columns: []string{
				"id", "name", "owner", "role", "waits", "added_by.name", "confirmed_by.name", "created_at", "expires_at", "revoked_at",
			},
			short: "List tokens", plural: "tokens", path: "api/v1/tokens",
			head: []string{"NAME", "OWNER", "ROLE", "CREATED", "EXPIRES", "REVOKED", "TOKEN"},
			row: func(_ namer, t tokenRecord) []string {
				return []string{t.Name, t.Owner, t.Role, when(t.CreatedAt), t.ends(), when(t.RevokedAt), t.ID}
			},
		}),
		showCommand(n, showing[tokenRecord]{
			arg: "token", short: "Show a token; never the secret", path: at("tokens"),
			lines: aboutToken,
		}),
		addToken(n),
		confirmToken(n),
		verbCommand(n, verb[tokenRecord]{
			name: "revoke", short: "Revoke a token at once", arg: "token", path: at("tokens"),
			ask: "Revoke this token? This cannot be undone.", about: aboutToken,
			told: func(t tokenRecord) string { return "revoked token " + t.ID + ", " + t.Name },
		}))
}

func aboutToken(_ namer, t tokenRecord, s *sheet) {
	s.add("token", t.ID)
	s.add("name", t.Name)
	s.add("owner", t.Owner)
	s.add("role", t.Role)
	s.add("made", when(t.CreatedAt))
	s.add("ends", t.ends())
	s.add("revoked", when(t.RevokedAt))
}

// ends says until when the token can be used, or what it waits for.
func (t tokenRecord) ends() string {
	if t.Waits {
		return "to be confirmed"
	}
	return when(t.ExpiresAt)
}

// confirmToken prints the second half of a token that another person added.
func confirmToken(n *connection) *cobra.Command {
	return &cobra.Command{
		Use: "confirm TOKEN", Short: "Confirm a token that another person added for somebody, and print its second half once",
		Long: `Confirms a token that another person added for somebody else, which
policy.four_eyes asks for, and prints its second half, alone on standard output.
Give it to the token's owner, who has the first half from whoever added it: the
token is both, one after the other. To refuse it, revoke it.`,
		Args: args("TOKEN"),
		RunE: func(c *cobra.Command, args []string) error {
			return n.printToken(c, "api/v1/tokens/"+url.PathEscape(args[0])+"/confirm", map[string]string{}, func(t tokenRecord) string {
				return "confirmed token " + t.ID + ", " + t.Name + ", of " + t.Owner +
					"; give its owner this second half now, it will not be shown again:"
			})
		},
	}
}

// added describes a new token, before the token itself is printed.
func added(t tokenRecord) string {
	s := "created token " + t.ID + ", " + t.Name + ", " + t.Role
	if t.Waits {
		return s + ", of " + t.Owner + "; another person must confirm it: `postern token confirm " + word(t.ID) +
			"`; give its owner this first half now, it will not be shown again:"
	}
	return s + "; save it now, it will not be shown again:"
}

// printToken sends body to path, reports the result, and prints only the token, or its
// half, on standard output.
func (n *connection) printToken(c *cobra.Command, path string, body map[string]string, told func(tokenRecord) string) error {
	api, err := n.client()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := api.post(c.Context(), path, body, &raw); err != nil {
		return err
	}
	if n.json {
		return printJSON(c.OutOrStdout(), raw)
	}
	var t tokenRecord
	if err := json.Unmarshal(raw, &t); err != nil {
		return fmt.Errorf("reading the token: %w", err)
	}
	say(c.ErrOrStderr(), "%s", told(t))
	say(c.OutOrStdout(), "%s", t.Token)
	return nil
}

func addToken(n *connection) *cobra.Command {
	var name, owner, role string
	var lifetime time.Duration
	var here onHost
	roles := words(issuance.RoleAdministrator, issuance.RoleOfficer, issuance.RoleAuditor)
	c := &cobra.Command{
		Use: "add --name NAME --role ROLE", Aliases: []string{"create"}, Short: "Create a token, and print it once",
		Long: `Creates a token. It is printed once, alone on standard output, and cannot be shown
again.

ROLE is administrator (everything), officer (orders, certificates, contacts,
services) or auditor (reads).

A token belongs to a person, its owner: two tokens of one owner are one person
wherever two persons are needed. With policy.four_eyes, a token for somebody else
opens nothing until another person confirms it; then what is printed is its first
half, and whoever confirms it gets the second.

With --local no token is needed: run it on the server's machine, as the user that
runs the server, while it runs. This is the way back in when no administrator's token
is left. The audit records say so, and the addresses in reports.to get an e-mail.`,
		Example: "  POSTERN_TOKEN=$(postern token add --name ci --role auditor --lifetime 2160h)\n" +
			"  postern token create --local --name laptop --role administrator --owner olga@example.com",
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			known, err := choose(role, roles)
			if err != nil {
				return flagError(c, "role", err)
			}
			if here.asked {
				return here.create(n, c, local.Request{Name: name, Owner: owner, Role: issuance.Role(known), Lifetime: lifetime})
			}
			if here.data != "" || here.config != "" {
				return Usagef(c, "--data and --config need --local")
			}
			body := map[string]string{"name": name, "role": known}
			if owner != "" {
				body["owner"] = owner
			}
			if lifetime != 0 {
				body["lifetime"] = lifetime.String()
			}
			return n.printToken(c, "api/v1/tokens", body, added)
		},
	}
	c.Flags().StringVar(&name, "name", "", "what it is for")
	c.Flags().StringVar(&owner, "owner", "", "whom it is for, by name or mail address (default: you)")
	c.Flags().StringVar(&role, "role", "", "administrator, officer or auditor")
	complete(c, "role", roles...)
	c.Flags().DurationVar(&lifetime, "lifetime", 0, "how long it is valid, for example 2160h (default: it never expires)")
	here.flags(c)
	require(c, "name", "role")
	return c
}

func audit(n *connection) *cobra.Command {
	return group("audit", "Who did what",
		verifyAudit(n),
		listCommand(n, listing[auditRecord]{
			columns: []string{
				"seq", "at", "actor.name", "actor.owner", "actor.role", "actor.id", "verb", "organization", "order", "serial",
				"subject", "detail", "address", "request", "sealed",
			},
			short: "List audit records, the newest first", plural: "audit records", path: "api/v1/audit",
			filters: []filter{
				{name: "order", parameter: "order", usage: "of this order"},
				{name: "serial", parameter: "serial", usage: "of this certificate"},
				{name: "verb", parameter: "verb", usage: "of this verb, as in refuse", words: words(issuance.Verbs()...)},
				{name: "actor", parameter: "actor", usage: "of this token, contact or owner, by id or name"},
				{name: "address", parameter: "address", usage: "of requests from this address, or a network such as 192.0.2.0/24"},
				{name: "request", parameter: "request", usage: "of the request with this id, as in X-Request-Id and the log"},
			},
			head: []string{"AT", "WHO", "FROM", "DID", "TO", "DETAIL"},
			row: func(_ namer, r auditRecord) []string {
				to := first(r.Order, r.Serial, r.Subject, r.Organization)
				return []string{when(r.At), who(r.Actor), r.Address, r.Verb, to, detail(r)}
			},
		}),
		reveal(n))
}

// detail returns the other details of an audit record.
func detail(r auditRecord) string {
	parts := []string{"#" + strconv.FormatUint(r.Seq, 10)}
	if r.Order != "" && r.Serial != "" {
		parts = append(parts, "serial="+r.Serial)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Detail)) {
		parts = append(parts, name+"="+r.Detail[name])
	}
	if r.Sealed {
		parts = append(parts, "(sealed)")
	}
	return strings.Join(parts, " ")
}
