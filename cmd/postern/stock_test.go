package main

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/postern-ca/postern/ca/catest"
)

// demoStock is what `postern demo` has in its directory before its server runs for
// the first time, but with CA keys that are cheap to open: making a CA and opening
// it takes ten seconds under the race detector. That a first start makes its own
// is for the tests of first starts.
var demoStock = sync.OnceValues(func() (catest.Tree, error) {
	return catest.Made(func(dir string) error {
		cfg, err := demoConfig(dir)
		if err != nil {
			return err
		}
		return catest.Lighten(filepath.Join(cfg.Data, caDirectory), cfg.CA.Passphrase.Reveal())
	})
})

// demoDir returns a directory in which demo goes on with a CA that is there.
func demoDir(t testing.TB) string {
	t.Helper()
	stock, err := demoStock()
	must(t, err)
	dir := t.TempDir()
	must(t, stock.Copy(dir))
	return dir
}

// dataDir returns the data directory of a server whose CA is there, without a
// configuration.
func dataDir(t testing.TB) string { return filepath.Join(demoDir(t), "server") }
