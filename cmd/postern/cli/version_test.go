package cli

import (
	"runtime/debug"
	"testing"
)

func TestAVersionSaysWhatWasBuilt(t *testing.T) {
	settings := func(pairs ...string) (all []debug.BuildSetting) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return all
	}
	vcs := settings("vcs.revision", "58d2706b3040ca75ba0cc9786396f5be26afd8c1", "vcs.time", "2026-11-27T23:22:07Z", "vcs.modified", "true")
	for name, tt := range map[string]struct {
		release string
		info    *debug.BuildInfo
		want    build
		commit  string
	}{
		"a release": {"v1.2.3", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, build{Version: "v1.2.3"}, ""},
		"go build of a checkout": {
			"", &debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-20261127232207-58d2706b3040+dirty"}, Settings: vcs},
			build{Version: "v0.0.0-20261127232207-58d2706b3040+dirty", Commit: "58d2706b3040ca75ba0cc9786396f5be26afd8c1", Date: "2026-11-27T23:22:07Z", Modified: true},
			"58d2706b3040ca75ba0cc9786396f5be26afd8c1, 2026-11-27, modified",
		},
		"go install": {"", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, build{Version: "v1.2.3"}, ""},
		"go run":     {"", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, build{Version: "unknown"}, ""},
		"nothing":    {"", nil, build{Version: "unknown"}, ""},
	} {
		got := builtFrom(tt.release, tt.info)
		commit := got.commit()
		got.Go, got.Platform = "", ""
		if got != tt.want || commit != tt.commit {
			t.Errorf("%s: got %+v, %q; want %+v, %q", name, got, commit, tt.want, tt.commit)
		}
	}
}
