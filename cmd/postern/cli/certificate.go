package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

func certificates(n *connection) *cobra.Command {
	return group("cert", "Certificates: list, hold, revoke, renew",
		listCertificates(n), showCertificate(n), revokeCertificate(n),
		named(verbCommand(n, verb[certificateRecord]{
			name:  "hold",
			short: "Hold a certificate until it is released or revoked", arg: "anything",
			path: n.atCertificate("active"), comment: true, told: certificateStands,
		})),
		named(verbCommand(n, verb[certificateRecord]{
			name: "release", short: "Make a held certificate active again",
			arg: "anything", path: n.atCertificate("held"), comment: true, told: certificateStands,
		})),
		renewCertificate(n))
}

func certificateStands(c certificateRecord) string {
	return "certificate " + c.Serial + " of " + c.Service + " is " + c.status()
}

func listCertificates(n *connection) *cobra.Command {
	return listCommand(n, listing[certificateRecord]{
		columns: []string{
			"serial", "status", "expired", "organization", "service", "contact", "order", "issuer", "issued_at",
			"not_before", "not_after", "key", "fingerprint", "from_csr", "renews", "renewed_by", "reason", "comment", "revoked_at",
			"changed_at", "changed_by.name", "changed_by.role", "first_used_at", "last_used_at", "uses",
			"refused_uses", "last_refused_at", "last_refusal",
		},
		short: "List certificates, the newest first", plural: "certificates", path: "api/v1/certificates",
		filters: []filter{
			{name: "status", parameter: "status", usage: "active, held or revoked", words: words(issuance.Active,
				issuance.Held, issuance.Revoked, issuance.Abandoned)},
			{name: "org", parameter: "organization", usage: "of this organisation"},
			{name: "service", parameter: "service", usage: "of this service"},
			{name: "contact", parameter: "contact", usage: "of this contact: id, mail address or phone number"},
			{name: "order", parameter: "order", usage: "of this order"},
			{name: "issued-from", parameter: "issued_from", usage: "issued on this day (2027-01-31), at this time " +
				"or later", read: readTime("issued-from")},
			{
				name: "issued-before", parameter: "issued_before", usage: "issued before this day (2027-01-31) or time",
				read: readTime("issued-before"),
			},
			{
				name: "expires-before", parameter: "expires_before",
				usage: "that expire before this day (2027-01-31) or time; the earliest first",
				read:  readTime("expires-before"),
			},
			{name: "expires-from", parameter: "expires_from", usage: "that expire on this day (2027-01-31), at this " +
				"time or later; the earliest first", read: readTime("expires-from")},
			{
				name: "need", parameter: "need", usage: "that need a successor, revocation (their successor is in " +
					"use), use (not used in their first 30 days) or a decision (on hold); the earliest to expire first",
				words: words(issuance.Needs()...),
			},
		},
		head: certificateHead(), row: certificateRow,
	})
}

func certificateHead() []string {
	return []string{"STATUS", "SERVICE", "CONTACT", "ISSUED", "EXPIRES", "LAST USED", "SERIAL"}
}

func certificateRow(contact namer, c certificateRecord) []string {
	return []string{c.status(), c.Service, contact(c.Contact), when(c.IssuedAt), when(c.NotAfter), when(c.LastUsedAt), c.Serial}
}

// readTime returns a function that reads a day or a time and returns it in the API's
// format.
func readTime(flag string) func(string) (string, error) {
	return func(s string) (string, error) {
		if day, err := time.Parse(time.DateOnly, s); err == nil {
			return day.Format(time.RFC3339), nil
		}
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return "", issuance.Invalidf(flag, "is not a day or time", "write it like 2027-01-31 or 2027-01-31T12:00:00Z")
		}
		return t.Format(time.RFC3339), nil
	}
}

func showCertificate(n *connection) *cobra.Command {
	var asPEM bool
	c := showCommand(n, showing[certificateRecord]{
		arg: "anything", noun: "certificate", short: "Show a certificate", path: n.atCertificate(),
		lines: func(contact namer, c certificateRecord, s *sheet) {
			if asPEM {
				return
			}
			s.add("serial", c.Serial)
			s.add("status", c.status())
			if !c.ChangedAt.IsZero() {
				s.add("since", when(c.ChangedAt)+" by "+who(c.ChangedBy))
			}
			if !c.RevokedAt.IsZero() {
				s.add("revoked", when(c.RevokedAt)+", for another reason then")
			}
			s.add("reason", c.Reason)
			s.add("comment", c.Comment)
			s.add("service", c.Service)
			s.add("organisation", c.Organization)
			s.add("contact", contact(c.Contact))
			s.add("order", c.Order)
			s.add("issued", when(c.IssuedAt))
			s.add("valid", when(c.NotBefore)+" to "+when(c.NotAfter))
			s.add("key", c.Key)
			if c.FromCSR {
				s.add("from", "a CSR")
			}
			s.add("issuer", c.Issuer)
			c.ancestry(s)
			s.add("renewed by", c.RenewedBy)
			if c.Uses > 0 {
				s.add("last used", fmt.Sprintf("%s; %d since %s", when(c.LastUsedAt), c.Uses, when(c.FirstUsedAt)))
			}
			if c.RefusedUses > 0 {
				s.add("last refused", fmt.Sprintf("%s (%s); %d in all", when(c.LastRefusedAt), c.LastRefusal, c.RefusedUses))
			}
			s.add("SHA-256", c.Fingerprint)
		},
		after: func(cmd *cobra.Command, _ *client, c certificateRecord) error {
			if asPEM {
				for line := range strings.SplitSeq(strings.TrimSpace(c.PEM), "\n") {
					say(cmd.OutOrStdout(), "%s", line)
				}
			}
			return nil
		},
	})
	c.Flags().BoolVar(&asPEM, "pem", false, "print the certificate in PEM, and nothing else")
	return named(c)
}

// ancestry adds the certificates that c succeeds, and how it was obtained.
func (c certificateRecord) ancestry(s *sheet) {
	if len(c.Ancestry) == 0 {
		s.add("renews", c.Renews)
	}
	label := "renews"
	for _, a := range c.Ancestry {
		how := "ordered"
		if a.ByKey {
			how = "obtained with its key"
		}
		status := a.Status
		if a.Reason != "" {
			status += ", " + a.Reason
		}
		s.add(label, a.Serial+" ("+status+"), "+how)
		label = "which renews"
	}
}

func reasons() (names []string) {
	for _, r := range issuance.Reasons() {
		names = append(names, string(r))
	}
	return names
}

// aboutCertificate is what a person must know of a certificate before it is revoked: who
// it belongs to, and whether it is in use.
func (api *client) aboutCertificate(ctx context.Context) func(namer, certificateRecord, *sheet) {
	return func(contact namer, c certificateRecord, s *sheet) {
		var o organizationRecord
		if err := api.get(ctx, "api/v1/organizations/"+url.PathEscape(c.Organization), nil, &o); err != nil || o.Name == "" {
			o.Name = c.Organization // a question without the name is better than none
		}
		s.add("certificate", c.Serial)
		s.add("status", c.status())
		s.add("service", c.Service)
		s.add("organisation", o.Name)
		s.add("contact", contact(c.Contact))
		s.add("expires", when(c.NotAfter))
		s.add("last used", first(when(c.LastUsedAt), "never seen in use"))
	}
}

func renewCertificate(n *connection) *cobra.Command {
	var comment string
	c := &cobra.Command{
		Use: "renew ANYTHING", Short: "Order the successor of a certificate, which stays valid until it expires",
		Args: args("ANYTHING"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := n.client()
			if err != nil {
				return err
			}
			path, err := n.atCertificate("active", "held")(c.Context(), api, args[0])
			if err != nil {
				return err
			}
			return send(n, c, api.create, path+"/renew", map[string]string{"comment": comment}, orderStands)
		},
	}
	commentFlag(c, &comment)
	return named(c)
}
