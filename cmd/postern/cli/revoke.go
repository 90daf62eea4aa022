package cli

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// revoking is what `cert revoke` was asked to do.
type revoking struct {
	n               *connection
	reason, comment string
	sure            bool
	filters         []filter
	values          []string // of filters
}

func revokeCertificate(n *connection) *cobra.Command {
	r := &revoking{n: n, filters: []filter{
		{name: "org", parameter: "organization", usage: "all of this organisation"},
		{name: "service", parameter: "service", usage: "all of this service"},
		{name: "contact", parameter: "contact", usage: "all of this contact: id, mail address or phone number"},
		{
			name: "issued-from", parameter: "issued_from", read: readTime("issued-from"),
			usage: "all that were issued on this day (2027-01-31), at this time or later",
		},
		{
			name: "issued-before", parameter: "issued_before", read: readTime("issued-before"),
			usage: "all that were issued before this day (2027-01-31) or time",
		},
	}}
	c := &cobra.Command{
		Use: "revoke ANYTHING... --reason REASON", Short: "Revoke certificates, for good",
		Long: `Revokes certificates, for good; within a second every CRL and OCSP answer says so.

Several are named one after the other, or by flags: of what all flags say, those that are
active or held and have not expired. You are shown them, and type how many there are. What
was interrupted goes on when it is run again: those that are revoked already are passed over.

As keyCompromise, every certificate for the same key is revoked too, and every successor that
was obtained with it over EST, of those too: you are shown them first. One that was revoked for
another reason gets this one, and keeps its date. A key that was compromised is never certified again.

REASON is one of ` + strings.Join(reasons(), ", ") + ".",
		Example: `  postern cert revoke 3f0c... --reason keyCompromise --comment "laptop stolen"
  postern cert revoke --org acme --issued-from 2027-01-01 --issued-before 2027-02-01 --reason superseded`,
		Args: func(_ *cobra.Command, given []string) error { return r.check(given) },
		RunE: r.run,
	}
	r.values = make([]string, len(r.filters))
	for i, f := range r.filters {
		c.Flags().StringVar(&r.values[i], f.name, "", f.usage)
	}
	c.Flags().StringVar(&r.reason, "reason", "", "reason that CRLs and OCSP show")
	complete(c, "reason", reasons()...)
	commentFlag(c, &r.comment)
	sureFlag(c, &r.sure)
	require(c, "reason")
	return named(c)
}

// check requires certificates by name or by flags.
func (r *revoking) check(given []string) error {
	flags := strings.Join(r.values, "") != ""
	switch {
	case len(given) == 0 && !flags:
		return errors.New("ANYTHING is missing: name certificates, or give --org, --service, --contact, " +
			"--issued-from or --issued-before")
	case len(given) > 0 && flags:
		return errors.New("certificates are named one by one or by flags, not both")
	}
	return nil
}

func (r *revoking) run(c *cobra.Command, args []string) error {
	why, err := issuance.ParseReason(r.reason)
	if err != nil {
		return Usagef(c, "--reason must be one of %s", strings.Join(reasons(), ", "))
	}
	api, err := r.n.client()
	if err != nil {
		return err
	}
	many := mass{api: api, reason: why, comment: r.comment, sure: r.sure, asJSON: r.n.json}
	if len(args) == 1 {
		return r.one(c, many, args[0])
	}
	if len(args) > 1 {
		many.certificates, err = r.named(c, api, args)
	} else {
		many.certificates, err = r.filtered(c, api)
	}
	if err != nil {
		return err
	}
	return many.revoke(c)
}

// one revokes the named certificate. If it was already revoked for the same reason, that
// is not an error.
func (r *revoking) one(c *cobra.Command, m mass, arg string) error {
	path, err := r.n.atCertificate("active", "held")(c.Context(), m.api, arg)
	if err != nil {
		return err
	}
	body := m.body()
	if !m.sure {
		if err := m.askOne(c, path, body); err != nil {
			return err
		}
	}
	also := func(c certificateRecord) []string { return standings(c.AlsoRevoked) }
	err = sendAll(r.n, c, m.api.post, path+"/revoke", body, certificateStands, also)
	if issuance.KindOf(err) != issuance.Conflict {
		return err
	}
	var found certificateRecord
	if e := m.api.get(c.Context(), path, nil, &found); e != nil || found.Status != "revoked" || found.Reason != string(m.reason) {
		return err
	}
	say(c.ErrOrStderr(), "it was revoked before, on %s", when(found.ChangedAt))
	show := func(ctx context.Context, path string, _, out any) error { return m.api.get(ctx, path, nil, out) }
	return send(r.n, c, show, path, nil, certificateStands)
}

// askOne asks before the certificate at path is revoked. What is revoked with a
// compromise is shown and counted first, and the body says how many were agreed to.
func (m mass) askOne(c *cobra.Command, path string, body map[string]any) error {
	if m.reason == issuance.KeyCompromise {
		var concerned compromiseRecord
		if err := m.api.get(c.Context(), path+"/compromise", nil, &concerned); err != nil {
			return err
		}
		if concerned.Count > 1 {
			say(c.ErrOrStderr(), "%s", takesAlong)
			m.certificates, body["count"] = concerned.Items, concerned.Count
			return m.agreed(c)
		}
	}
	return ask(c, m.api, path, "Revoke this certificate? This cannot be undone.", m.api.aboutCertificate(c.Context()))
}

const takesAlong = "A compromise takes along every certificate for the same key, and every one that was obtained with it:"

func standings(all []certificateRecord) (lines []string) {
	for _, c := range all {
		lines = append(lines, certificateStands(c))
	}
	return lines
}

// named returns the certificates that args name, one each.
func (r *revoking) named(c *cobra.Command, api *client, args []string) (all []certificateRecord, err error) {
	seen := map[string]bool{}
	for _, arg := range args {
		found, err := r.n.certificate(c.Context(), api, arg, []string{"active", "held"})
		if err != nil {
			return nil, err
		}
		if !seen[found.Serial] {
			seen[found.Serial], all = true, append(all, found)
		}
	}
	return all, nil
}

// filtered returns the certificates that the flags name.
func (r *revoking) filtered(c *cobra.Command, api *client) ([]certificateRecord, error) {
	q := url.Values{}
	for i, f := range r.filters {
		if r.values[i] == "" {
			continue
		}
		value, err := f.value(r.values[i])
		if err != nil {
			return nil, flagError(c, f.name, err)
		}
		q.Set(f.parameter, value)
	}
	return api.standing(c.Context(), q)
}
