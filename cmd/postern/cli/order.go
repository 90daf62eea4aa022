package cli

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

func orders(n *connection) *cobra.Command {
	short := map[string]string{
		"approve": "Approve an order: the contact gets the link by e-mail and the code by SMS",
		"reject":  "Reject an order",
		"cancel":  "Cancel an order before the download; what was issued is revoked",
		"unlock":  "Unlock an order after too many wrong codes",
		"resend":  "Send a new link; the old one becomes invalid",

		"resend-password": "Send the password of the downloaded file again, the same one",
	}
	ask := map[string]string{
		"reject": "Reject this order? This cannot be undone.",
		"cancel": "Cancel this order? This cannot be undone; a certificate that was issued for it is revoked.",
	}
	notes := map[string]func(orderRecord) []string{"approve": unusual}
	c := group("order", "Orders, from request to password",
		listOrders(n), showOrder(n), createOrder(n))
	for _, name := range []string{"approve", "reject", "cancel", "unlock", "resend", "resend-password"} {
		c.AddCommand(verbCommand(n, verb[orderRecord]{
			name: name, short: short[name], arg: "order", path: at("orders"), comment: true, ask: ask[name], about: aboutOrder,
			notes: notes[name], told: orderStands,
		}))
	}
	return c
}

// unusual says what an approver of o should know first.
func unusual(o orderRecord) (notes []string) {
	for _, u := range o.Unusual {
		notes = append(notes, u.Text)
	}
	return notes
}

func orderStands(o orderRecord) string {
	return "order " + o.ID + " for " + o.Service + " is " + o.State
}

// aboutOrder is what a person must know of an order before it is ended.
func aboutOrder(contact namer, o orderRecord, s *sheet) {
	s.add("order", o.ID)
	s.add("state", o.State)
	s.add("service", o.Service)
	s.add("contact", contact(o.Contact))
	s.add("requested", when(o.RequestedAt)+" by "+who(o.RequestedBy))
	s.add("certificate", o.Serial)
}

func listOrders(n *connection) *cobra.Command {
	return listCommand(n, listing[orderRecord]{
		columns: []string{
			"id", "state", "organization", "service", "contact", "key", "target", "renews", "requested_by.name",
			"requested_by.role", "requested_at", "decided_by.name", "decided_by.role", "decided_at", "comment",
			"attempts", "link_expires_at", "serial", "from_csr", "issued_at", "downloaded_at", "completed_at",
			"updated_at",
		},
		short: "List orders, the newest first", plural: "orders", path: "api/v1/orders",
		filters: []filter{
			{name: "state", parameter: "state", usage: "in this state: requested, invited, ...", words: words(issuance.OrderStates()...)},
			{name: "org", parameter: "organization", usage: "of this organisation"},
			{name: "service", parameter: "service", usage: "for this service"},
			{name: "contact", parameter: "contact", usage: "to be received by this contact: id, mail address or phone number"},
		},
		head: orderHead(), row: orderRow,
	})
}

func orderHead() []string { return []string{"STATE", "SERVICE", "CONTACT", "REQUESTED", "BY", "ORDER"} }

func orderRow(contact namer, o orderRecord) []string {
	return []string{o.State, o.Service, contact(o.Contact), when(o.RequestedAt), first(o.RequestedBy.Name, o.RequestedBy.ID), o.ID}
}

func showOrder(n *connection) *cobra.Command {
	return showCommand(n, showing[orderRecord]{
		arg: "order", short: "Show an order and its messages", path: at("orders"),
		lines: func(contact namer, o orderRecord, s *sheet) {
			s.add("order", o.ID)
			s.add("state", o.State)
			s.add("service", o.Service)
			s.add("contact", contact(o.Contact)+" ("+o.Contact+")")
			s.add("key", o.Key)
			s.add("target", o.Target)
			s.add("renews", o.Renews)
			s.add("requested", when(o.RequestedAt)+" by "+who(o.RequestedBy))
			if !o.DecidedAt.IsZero() {
				s.add("decided", when(o.DecidedAt)+" by "+who(o.DecidedBy))
			}
			s.add("comment", o.Comment)
			if o.Attempts > 0 {
				s.add("wrong codes", strconv.Itoa(o.Attempts))
			}
			s.add("link expires", when(o.LinkExpiresAt))
			s.add("issued", when(o.IssuedAt))
			s.add("certificate", o.Serial)
			s.add("downloaded", when(o.DownloadedAt))
			s.add("completed", when(o.CompletedAt))
			for _, u := range o.Unusual {
				s.add("unusual", u.Text)
			}
		},
		after: func(c *cobra.Command, api *client, o orderRecord) error {
			sent, err := fetch(c.Context(), api, "api/v1/messages", url.Values{"order": {o.ID}}, paging{limit: 20})
			if err != nil || len(sent.Items) == 0 {
				return err
			}
			return printMessages(c, sent)
		},
	})
}

func createOrder(n *connection) *cobra.Command {
	var q struct {
		service, contact, key, target, renews, comment string
		another                                        bool
	}
	c := &cobra.Command{
		Use: "create --service SERVICE --contact CONTACT", Aliases: []string{"add"}, Short: "Place an order",
		Long: `Places an order for a certificate for a service, to be received by a contact, who is
named by id, mail address or phone number. Nothing is made in the CA before it is claimed.`,
		Example: "  postern order create --service acme.payments --contact anna@acme.example",
		Args:    args(),
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := issuance.ParseKeyAlgorithm(q.key); err != nil {
				return flagError(c, "key", err)
			}
			if _, err := issuance.ParseTarget(q.target); err != nil {
				return flagError(c, "target", err)
			}
			var renews issuance.Serial
			if q.renews != "" {
				var err error
				if renews, err = issuance.ParseSerial(q.renews); err != nil {
					return flagError(c, "renews", err)
				}
			}
			api, err := n.client()
			if err != nil {
				return err
			}
			body := map[string]any{"service": q.service, "contact": q.contact, "key": q.key, "target": q.target, "comment": q.comment}
			if q.another {
				body["another"] = true
			}
			if renews != "" {
				body["renews"] = string(renews)
			}
			return send(n, c, api.create, "api/v1/orders", body, orderStands)
		},
	}
	f := c.Flags()
	f.StringVar(&q.service, "service", "", "for example acme.payments")
	f.StringVar(&q.contact, "contact", "", "who receives it")
	f.StringVar(&q.key, "key", "", "key algorithm (default what the service prefers)")
	f.StringVar(&q.target, "target", "", "where it will be installed (default what the service prefers)")
	f.StringVar(&q.renews, "renews", "", "serial number of the certificate to renew")
	complete(c, "key", words(issuance.KeyAlgorithms()...)...)
	complete(c, "target", words(issuance.Targets()...)...)
	f.BoolVar(&q.another, "another", false, "allow a second open order for the same service and contact")
	commentFlag(c, &q.comment)
	require(c, "service", "contact")
	return c
}
