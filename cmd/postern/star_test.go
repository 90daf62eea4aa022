package main_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTheImportGraphIsTheStar walks every file of the project: everyone may
// import issuance, issuance imports the standard library alone, siblings never
// import each other, and only cmd imports them all. The rooms inside a folder
// obey the star too: issuance/x may import issuance, never the other way round
// and never issuance/y; siblings share what shared names. Only ca imports
// smallstep's CA, only storage bbolt.
func TestTheImportGraphIsTheStar(t *testing.T) {
	t.Parallel()
	arrows := importArrows(t, "../..")
	for _, room := range []string{"issuance", "ca", "delivery", "storage", "web", "cmd"} {
		if !arrows.rooms[room] {
			t.Errorf("the house has no room %s: is the walk looking at the right place?", room)
		}
	}
	for _, wrong := range offStar(arrows.list) {
		t.Error(wrong)
	}
}

// TestAnArrowOffTheStarIsFound holds the rule against arrows that must not be.
func TestAnArrowOffTheStarIsFound(t *testing.T) {
	for _, a := range []arrow{
		{"issuance/order.go", "issuance", "github.com/postern-ca/postern/storage/bolt"},
		{"issuance/order.go", "issuance", "github.com/pquerna/otp"},
		{"ca/sign.go", "ca", "github.com/postern-ca/postern/storage/bolt"},
		{"web/contact/site.go", "web", "github.com/postern-ca/postern/delivery"},
		{"delivery/courier.go", "delivery", "github.com/postern-ca/postern/web/page"},
		{"storage/bolt/tx.go", "storage", "github.com/postern-ca/postern/cmd/postern/config"},
		{"web/trust/crl.go", "web", "github.com/smallstep/certificates/cas/softcas"},
		{"web/trust/crl.go", "web", "go.etcd.io/bbolt"},
		{"issuance/order.go", "issuance", "github.com/postern-ca/postern/issuance/report"},
		{"issuance/report/report.go", "issuance", "github.com/postern-ca/postern/issuance/staff"},
		{"issuance/report/report.go", "issuance", "github.com/postern-ca/postern/web/admin"},
		{"issuance/report/report.go", "issuance", "github.com/spf13/cobra"},
		{"web/admin/report.go", "web", "github.com/postern-ca/postern/web/contact"},
		{"web/server/stack.go", "web", "github.com/postern-ca/postern/web/admin"},
		{"ca/mtls/verifier.go", "ca", "github.com/postern-ca/postern/ca"},
	} {
		if len(offStar([]arrow{a})) == 0 {
			t.Errorf("%s may import %s", a.file, a.path)
		}
	}
	for _, a := range []arrow{
		{"ca/sign.go", "ca", "github.com/postern-ca/postern/issuance"},
		{"web/admin/api.go", "web", "github.com/postern-ca/postern/web/server"},
		{"cmd/postern/serve.go", "cmd", "github.com/postern-ca/postern/storage/bolt"},
		{"issuance/order.go", "issuance", "crypto/sha256"},
		{"issuance/report/report.go", "issuance", "github.com/postern-ca/postern/issuance"},
		{"web/admin/report.go", "web", "github.com/postern-ca/postern/issuance/report"},
		{"web/contact/site.go", "web", "github.com/postern-ca/postern/web/page"},
		{"ca/sign.go", "ca", "github.com/postern-ca/postern/ca/mtls"},
	} {
		if wrong := offStar([]arrow{a}); len(wrong) > 0 {
			t.Errorf("an arrow of the star is refused: %v", wrong)
		}
	}
}

const module = "github.com/postern-ca/postern/"

// arrow is one import of a file in a room, the top-level folder it lies in.
type arrow struct{ file, room, path string }

// shared are the inner rooms that their siblings may import.
func shared() []string {
	return []string{
		"issuance", "web/page", "web/server", "web/limit", "web/cms", "storage/seal",
		"ca/crlfile", "ca/mtls",
	}
}

func offStar(arrows []arrow) (wrong []string) {
	for _, a := range arrows {
		ours, isOurs := strings.CutPrefix(a.path, module)
		to, _, _ := strings.Cut(ours, "/")
		stdlib := !strings.Contains(strings.SplitN(a.path, "/", 2)[0], ".")
		switch {
		case isOurs && to != a.room && to != "issuance" && a.room != "cmd",
			isOurs && to == a.room && a.room != "cmd" && !mayImport(a.file, ours),
			a.room == "issuance" && !isOurs && !stdlib,
			strings.HasPrefix(a.path, "github.com/smallstep/certificates") && a.room != "ca",
			strings.HasPrefix(a.path, "go.etcd.io/bbolt") && a.room != "storage":
			wrong = append(wrong, a.file+" imports "+a.path)
		}
	}
	return wrong
}

// mayImport reports whether a file may import a package below the same top-level
// folder: what is shared, what lies inside the file's own folder (but for
// issuance, which knows none of its rooms), and, in a test, a test kit.
func mayImport(file, to string) bool {
	from := path.Dir(file)
	inside := strings.HasPrefix(to, from+"/") && from != "issuance"
	kit := strings.HasSuffix(file, "_test.go") && strings.HasSuffix(to, "test")
	return from == to || inside || kit || slices.Contains(shared(), to)
}

type graph struct {
	rooms map[string]bool
	list  []arrow
}

// importArrows reads the imports of every Go file below root. Tests of a room
// keep to the star too, with two exceptions: the tests of issuance run on the
// real bbolt store, and tests of cmd may use what they like.
func importArrows(t *testing.T, root string) graph {
	t.Helper()
	g := graph{rooms: map[string]bool{}}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		rel, _ := filepath.Rel(root, file)
		room, _, inside := strings.Cut(filepath.ToSlash(rel), "/")
		if !inside || !strings.HasSuffix(file, ".go") {
			return nil
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		test := strings.HasSuffix(file, "_test.go")
		if test && (room == "cmd" || room == "issuance" && strings.HasSuffix(f.Name.Name, "_test")) {
			return nil
		}
		g.rooms[room] = true
		for _, i := range f.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if test && !strings.HasPrefix(path, module) {
				continue // a test may bring tools of its own
			}
			g.list = append(g.list, arrow{filepath.ToSlash(rel), room, path})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}
