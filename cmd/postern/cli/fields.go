package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// changed returns the flags of c that were given, as the fields of a record:
// --may-order is may_order, --org is organization, --id is identifier.
func changed(c *cobra.Command) map[string]any {
	body := make(map[string]any)
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		name := strings.ReplaceAll(f.Name, "-", "_")
		switch {
		case !f.Changed || name == "help":
		case name == "org":
			body["organization"] = f.Value.String()
		case name == "id":
			body["identifier"] = f.Value.String()
		case f.Value.Type() == "bool":
			body[name] = f.Value.String() == "true"
		default:
			body[name] = f.Value.String()
		}
	})
	return body
}
