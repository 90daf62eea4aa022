// Package durable makes what was written survive a crash of the machine.
package durable

import (
	"errors"
	"os"
)

// SyncDir makes the names in dir durable: those that were created, renamed or
// removed before it returns. Its error names dir.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
