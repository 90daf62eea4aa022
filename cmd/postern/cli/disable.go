package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// holder says which certificates are a record's, and why they are mostly revoked
// with it.
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
		if _, err := issuance.ParseReason(with); err != nil && with != "" {
			return Usagef(c, "--revoke must be one of %s", strings.Join(reasons(), ", "))
		}
		left, id, err := h.certificates(n, c, v, args[0])
		if err != nil {
			return err
		}
		if len(left.certificates) > 0 && with == "" {
			if err := left.preview(c); err != nil {
				return err
			}
			say(c.ErrOrStderr(), "These certificates stay active.")
		}
		if with != "" {
			left.reason, _ = issuance.ParseReason(with)
			return left.withDisable(c, v.ask, func() error { return disable(c, args) })
		}
		if err := disable(c, args); err != nil || len(left.certificates) == 0 {
			return err
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

// withDisable asks once for both, disables, and revokes.
func (m mass) withDisable(c *cobra.Command, ask string, disable func() error) error {
	sure, err := c.Flags().GetBool("yes")
	if err != nil {
		return err
	}
	if !sure && len(m.certificates) > 0 {
		if err := m.preview(c); err != nil {
			return err
		}
		n := len(m.certificates)
		what := fmt.Sprintf("%s Its %s revoked as %s, for good. Type %d to go on: ",
			ask, plural(n, "certificate is", "%d certificates are"), m.reason, n)
		if err := typed(c, what, strconv.Itoa(n)); err != nil {
			return err
		}
		if err := c.Flags().Set("yes", "true"); err != nil {
			return err
		}
	}
	if err := disable(); err != nil {
		return err
	}
	m.sure = true
	return m.revoke(c)
}

// offer asks on a terminal whether to revoke them too, and says elsewhere what does it.
func (m mass) offer(c *cobra.Command, command string) error {
	sure, err := c.Flags().GetBool("yes")
	if err != nil {
		return err
	}
	n := len(m.certificates)
	what := fmt.Sprintf("Revoke %s too, as %s? Type %d, or press Enter to leave it so: ", plural(n, "it", "all %d"), m.reason, n)
	if !sure && isTerminal(c.InOrStdin()) && typed(c, what, strconv.Itoa(n)) == nil {
		m.sure = true
		return m.revoke(c)
	}
	say(c.ErrOrStderr(), "%s active; to revoke: `%s`", plural(n, "1 certificate stays", "%d certificates stay"), command)
	return nil
}
