package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// stampLayout is how the time stands in the name of a backup in a [Directory].
const stampLayout = "20060102T150405Z"

// Directory keeps backups that are made by a schedule: postern-20261128T023000Z.age.
// Other files in it are left alone.
type Directory struct {
	Path string
	Keep int // the newest so many
}

// Name is what a backup that is made at a time is called.
func (d Directory) Name(at time.Time) string {
	return filepath.Join(d.Path, "postern-"+at.UTC().Format(stampLayout)+Suffix)
}

// Newest returns when the newest backup was made, zero if there is none. One that
// the clock says is of the future does not count.
func (d Directory) Newest(now time.Time) (time.Time, error) {
	all, err := d.list(now)
	if err != nil || len(all) == 0 {
		return time.Time{}, err
	}
	return d.time(all[len(all)-1]), nil
}

// Prune deletes what Keep does not keep, and what a crash has left unfinished. The
// caller must be writing nothing there.
func (d Directory) Prune(now time.Time) error {
	all, err := d.list(now)
	if err != nil {
		return err
	}
	for _, name := range all[:max(0, len(all)-d.Keep)] {
		err = errors.Join(err, os.Remove(filepath.Join(d.Path, name)))
	}
	left, e := filepath.Glob(filepath.Join(d.Path, unfinished+"*"))
	for _, path := range left {
		e = errors.Join(e, os.Remove(path))
	}
	return errors.Join(err, e)
}

// list returns the names of the backups up to now, the oldest first.
func (d Directory) list(now time.Time) (names []string, err error) {
	entries, err := os.ReadDir(d.Path) // by name, and so by time
	if err != nil {
		return nil, fmt.Errorf("looking at the backups: %w", err)
	}
	for _, e := range entries {
		if at := d.time(e.Name()); !at.IsZero() && e.Type().IsRegular() && !at.After(now) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// time returns when the backup of a name was made, zero for another name.
func (Directory) time(name string) time.Time {
	if !regexp.MustCompile(`^postern-\d{8}T\d{6}Z\.age$`).MatchString(name) {
		return time.Time{}
	}
	at, err := time.Parse(stampLayout, strings.TrimSuffix(strings.TrimPrefix(name, "postern-"), Suffix))
	if err != nil {
		return time.Time{}
	}
	return at
}
