package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// called returns s's id and, if it differs, its name.
func (s serviceRecord) called() string {
	if s.Name == s.Identifier {
		return s.ID
	}
	return s.ID + ", " + s.Name
}

func nameFlags(c *cobra.Command, otherwise string) {
	c.Flags().String("name", "", "what people call it, up to 64 characters: CN of its certificates")
	c.Flags().String("id", "", "identifier: 1 to 40 of a-z, 0-9 and hyphens (default: "+otherwise+")")
}

// newService returns the fields of a new service: arg is organisation and name, or
// organisation and identifier where --name has the name, or the organisation alone.
func newService(c *cobra.Command, arg string) (map[string]any, error) {
	body := changed(c)
	organization, rest, dotted := strings.Cut(arg, ".")
	_, named := body["name"]
	_, identified := body["identifier"]
	switch {
	case !dotted && !named:
		return nil, Usagef(c, "the service of %s has no name: write organisation and name, for example %s.payments, "+
			"or add --name \"my page\"", arg, arg)
	case dotted && named && identified:
		return nil, Usagef(c, "there are two identifiers, %s and that of --id: leave one out", rest)
	case dotted && named:
		body["identifier"] = rest
	case dotted:
		body["name"] = rest
	}
	body["organization"] = organization
	return body, nil
}
