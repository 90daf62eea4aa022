package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// mass is the revocation of many certificates.
type mass struct {
	api          *client
	certificates []certificateRecord
	reason       issuance.Reason
	comment      string
	sure, asJSON bool
}

func (m mass) body() map[string]any {
	return map[string]any{"reason": string(m.reason), "comment": m.comment}
}

// standing returns the certificates that q asks for and that may still be used:
// active or held, and not expired.
func (api *client) standing(ctx context.Context, q url.Values) (all []certificateRecord, err error) {
	for _, status := range []issuance.Status{issuance.Active, issuance.Held} {
		q.Set("status", string(status))
		q.Set("limit", strconv.Itoa(issuance.MaxPage))
		q.Del("cursor")
		for {
			var part struct {
				Items []certificateRecord
				Next  string
			}
			if err := api.get(ctx, "api/v1/certificates", q, &part); err != nil {
				return nil, err
			}
			for _, c := range part.Items {
				if !c.Expired {
					all = append(all, c)
				}
			}
			if part.Next == "" {
				break
			}
			q.Set("cursor", part.Next)
		}
	}
	return all, nil
}

// revoke shows the certificates, asks, and revokes those that are not revoked.
func (m mass) revoke(c *cobra.Command) error {
	open, err := m.open(c.Context())
	if err != nil {
		return err
	}
	before := 0
	for _, r := range m.certificates {
		if !slices.ContainsFunc(open, func(o certificateRecord) bool { return o.Serial == r.Serial }) {
			before++
		}
	}
	m.certificates = open
	if len(open) > 0 && !m.sure {
		if m.reason == issuance.KeyCompromise {
			say(c.ErrOrStderr(), "%s", takesAlong)
		}
		if err := m.agreed(c); err != nil {
			return err
		}
	}
	done, passed, err := m.all(c)
	return m.tell(c, done, before, passed, err)
}

// open returns those that are not revoked and, for a compromise, what is revoked with
// them.
func (m mass) open(ctx context.Context) ([]certificateRecord, error) {
	open, seen := make([]certificateRecord, 0, len(m.certificates)), map[string]bool{}
	for _, r := range m.certificates {
		found := []certificateRecord{r}
		switch {
		case seen[r.Serial]: // what it takes along was taken along with it
			continue
		case m.reason == issuance.KeyCompromise:
			var concerned compromiseRecord
			if err := m.api.get(ctx, certificatePath(r.Serial)+"/compromise", nil, &concerned); err != nil {
				return nil, err
			}
			found = concerned.Items
		case r.Status == string(issuance.Revoked):
			continue
		}
		for _, r := range found {
			if !seen[r.Serial] {
				seen[r.Serial], open = true, append(open, r)
			}
		}
	}
	return open, nil
}

// agreed shows the certificates, and has a person type how many there are.
func (m mass) agreed(c *cobra.Command) error {
	if err := m.preview(c); err != nil {
		return err
	}
	n := len(m.certificates)
	ask := fmt.Sprintf("Revoke %s as %s? This cannot be undone. Type %d to go on: ",
		plural(n, "this certificate", "these %d certificates"), m.reason, n)
	return typed(c, ask, strconv.Itoa(n))
}

// shownFirst is how many certificates are shown before they are revoked.
const shownFirst = 20

// preview shows what would be revoked.
func (m mass) preview(c *cobra.Command) error {
	t, contact := table{head: certificateHead()}, m.api.names(c.Context())
	services, contacts, used := map[string]bool{}, map[string]bool{}, 0
	for i, r := range m.certificates {
		if i < shownFirst {
			t.add(certificateRow(contact, r)...)
		}
		services[r.Service], contacts[r.Contact] = true, true
		if r.Uses > 0 {
			used++
		}
	}
	w := c.ErrOrStderr()
	if err := t.print(w); err != nil {
		return err
	}
	if more := len(m.certificates) - shownFirst; more > 0 {
		say(w, "... and %d more", more)
	}
	say(w, "%s of %s and %s; %d seen in use", plural(len(m.certificates), "1 certificate", "%d certificates"),
		plural(len(services), "1 service", "%d services"), plural(len(contacts), "1 contact", "%d contacts"), used)
	return nil
}

// plural returns one for a single thing, and many with its number otherwise.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

// typed asks and returns nil if the answer is want. If nobody can answer, --yes is
// required.
func typed(c *cobra.Command, ask, want string) error {
	fmt.Fprint(c.ErrOrStderr(), clean(ask)) //nolint:errcheck // the answer tells
	line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	answer := strings.TrimSpace(line)
	if !isTerminal(c.InOrStdin()) {
		say(c.ErrOrStderr(), "%s", answer)
	}
	switch {
	case answer == want:
		return nil
	case answer == "" && errors.Is(err, io.EOF) && !isTerminal(c.InOrStdin()):
		return nobodyAnswers(c)
	}
	return errors.New("nothing was done")
}

// tell prints the result on standard output.
func (m mass) tell(c *cobra.Command, done []string, before, passed int, err error) error {
	left := max(0, len(m.certificates)-len(done)-passed)
	before += passed
	if m.asJSON {
		if e := printJSON(c.OutOrStdout(), map[string]any{"revoked": done, "revoked_before": before, "left": left}); e != nil {
			return e
		}
	} else if err == nil || len(done) > 0 {
		say(c.OutOrStdout(), "revoked %s; %d revoked before", plural(len(done), "1 certificate", "%d certificates"), before)
	}
	if err == nil {
		return nil
	}
	message := err.Error()
	if errors.Is(err, context.Canceled) {
		message = "interrupted"
	}
	return &issuance.Error{
		Kind:    issuance.KindOf(err),
		Message: fmt.Sprintf("%s; %s", message, plural(left, "1 certificate is left", "%d certificates are left")),
		Hint:    "run the same command again to go on with the rest",
	}
}
