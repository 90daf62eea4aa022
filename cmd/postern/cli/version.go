package cli

import (
	"encoding/json"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version tells which program this is.
func version(o Options) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Print version, commit and Go version", Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			v := builtFrom(o.Version)
			if asJSON {
				text, err := json.Marshal(v)
				if err != nil {
					return err
				}
				return printJSON(c.OutOrStdout(), json.RawMessage(text))
			}
			var s sheet
			s.add("postern", v.Version)
			s.add("commit", v.Commit)
			s.add("go", v.Go)
			s.add("platform", v.Platform)
			return s.print(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// builtFrom returns what the linker wrote into the program; release stands over
// what the build knows.
func builtFrom(release string) build {
	v := build{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Commit = s.Value + v.Commit
		case s.Key == "vcs.modified" && s.Value == "true":
			v.Commit += " (modified)"
		}
	}
	return v
}
