package cli

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version prints which program this is.
func version(o Options) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Print version, commit and Go version", Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo()
			v := builtFrom(o.Version, info)
			if asJSON {
				text, err := json.Marshal(v)
				if err != nil {
					return err
				}
				return printJSON(c.OutOrStdout(), json.RawMessage(text))
			}
			var s sheet
			s.add("postern", v.Version)
			s.add("commit", v.commit())
			s.add("go", v.Go)
			s.add("platform", v.Platform)
			return s.print(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// versionLine is what --version prints.
func versionLine(o Options) string {
	info, _ := debug.ReadBuildInfo()
	v := builtFrom(o.Version, info)
	return v.Version + " (" + first(v.commit(), "no commit is recorded") + ")"
}

// VersionOf returns the version of this program in one word: that of a release, or
// what the build knows.
func VersionOf(release string) string {
	info, _ := debug.ReadBuildInfo()
	return builtFrom(release, info).Version
}

// build is what a program knows of how it was made.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`     // of the commit, RFC 3339
	Modified bool   `json:"modified"` // built from more than the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// commit is the commit in one line: "58d2706b3040, 2026-11-27, modified".
func (v build) commit() string {
	var parts []string
	if v.Commit != "" {
		parts = append(parts, v.Commit)
	}
	if day, _, ok := strings.Cut(v.Date, "T"); ok {
		parts = append(parts, day)
	}
	if v.Modified {
		parts = append(parts, "modified")
	}
	return strings.Join(parts, ", ")
}

// builtFrom returns what the linker wrote into the program. The version is that of
// a release; or what go install was asked for, or what go build made of the
// checkout that it stood in.
func builtFrom(release string, info *debug.BuildInfo) build {
	v := build{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		info = new(debug.BuildInfo)
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Date = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	if v.Version == "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	v.Version = first(v.Version, "unknown")
	return v
}
