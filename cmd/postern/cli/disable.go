package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// holder says which certificates belong to a record, and the usual reason for revoking
// them with it.
type holder[T any] struct {
	filter string // parameter of the list of certificates
	id     func(T) string
	reason issuance.Reason
}

// disableCommand is the verb v, which leaves the record's certificates as they are:
// it says which, and offers to revoke them.
func disableCommand[T any](n *connection, v verb[T], h holder[T]) *cobra.Command {
	c := verbCommand(n, v)
	disable, with := c.RunE, ""
	c.Flags().StringVar(&with, "revoke", "", "revoke its certificates too, with this reason")
	complete(c, "revoke", reasons()...)
	c.RunE = func(c *cobra.Command, args []string) error {
		reason, err := issuance.ParseReason(with)
		if err != nil && with != "" {
			return Usagef(c, "--revoke must be one of %s", strings.Join(reasons(), ", "))
		}
		left, id, err := h.certificates(n, c, v, args[0])
		if err != nil {
			return err
		}
		if with != "" {
			left.reason = reason
			if err := left.agreedWith(c, v.ask); err != nil {
				return err
			}
		} else if err := left.announce(c); err != nil {
			return err
		}
		if err := disable(c, args); err != nil {
			return err
		}
		if err := h.again(c, &left, id); err != nil {
			return err
		}
		if with != "" {
			left.sure = true
			return left.revoke(c)
		}
		return left.offer(c, "postern cert revoke --"+h.filter+" "+id+" --reason "+string(h.reason))
	}
	return c
}

// certificates returns those of the record that arg names, and its id.
func (h holder[T]) certificates(n *connection, c *cobra.Command, v verb[T], arg string) (mass, string, error) {
	api, err := n.client()
	if err != nil {
		return mass{}, "", err
	}
	path, err := v.path(c.Context(), api, arg)
	if err != nil {
		return mass{}, "", err
	}
	var raw json.RawMessage
	if err := api.get(c.Context(), path, nil, &raw); err != nil {
		return mass{}, "", err
	}
	var record T
	if err := json.Unmarshal(raw, &record); err != nil {
		return mass{}, "", fmt.Errorf("reading the answer: %w", err)
	}
	id := h.id(record)
	standing, err := api.standing(c.Context(), url.Values{h.filter: {id}})
	return mass{api: api, certificates: standing, reason: h.reason, asJSON: n.json}, id, err
}

// again lists the certificates once more, now that the record is disabled and no more
// can be issued: one may have been issued since the first time. It shows the new ones.
func (h holder[T]) again(c *cobra.Command, m *mass, id string) error {
	now, err := m.api.standing(c.Context(), url.Values{h.filter: {id}})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, r := range m.certificates {
		known[r.Serial] = true
	}
	later := mass{
		api:          m.api,
		certificates: slices.DeleteFunc(slices.Clone(now), func(r certificateRecord) bool { return known[r.Serial] }),
	}
	m.certificates = now
	if len(later.certificates) == 0 {
		return nil
	}
	say(c.ErrOrStderr(), "Issued meanwhile:")
	return later.preview(c)
}

// announce shows which certificates will stay, before the record is disabled.
func (m mass) announce(c *cobra.Command) error {
	if len(m.certificates) == 0 {
		return nil
	}
	if err := m.preview(c); err != nil {
		return err
	}
	say(c.ErrOrStderr(), "These certificates stay active.")
	return nil
}

// agreedWith asks once for both, disabling and revoking.
func (m mass) agreedWith(c *cobra.Command, ask string) error {
	sure, err := c.Flags().GetBool("yes")
	if err != nil || sure || len(m.certificates) == 0 {
		return err
	}
	if err := m.preview(c); err != nil {
		return err
	}
	n := len(m.certificates)
	what := fmt.Sprintf("%s Its %s revoked as %s, for good. Type %d to go on: ",
		ask, plural(n, "certificate is", "%d certificates are"), m.reason, n)
	if err := typed(c, what, strconv.Itoa(n)); err != nil {
		return err
	}
	return c.Flags().Set("yes", "true")
}

// offer asks on a terminal whether to revoke them too; elsewhere it prints the command
// that does so.
func (m mass) offer(c *cobra.Command, command string) error {
	sure, err := c.Flags().GetBool("yes")
	if err != nil {
		return err
	}
	n := len(m.certificates)
	if n == 0 {
		return nil
	}
	what := fmt.Sprintf("Revoke %s too, as %s? Type %d, or press Enter to leave it so: ", plural(n, "it", "all %d"), m.reason, n)
	if !sure && isTerminal(c.InOrStdin()) && typed(c, what, strconv.Itoa(n)) == nil {
		m.sure = true
		return m.revoke(c)
	}
	say(c.ErrOrStderr(), "%s active; to revoke: `%s`", plural(n, "1 certificate stays", "%d certificates stay"), command)
	return nil
}
