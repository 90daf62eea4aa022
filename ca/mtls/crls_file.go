package mtls

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// lookEvery is how often the file is looked at: one system call each.
const lookEvery = 200 * time.Millisecond

// againEvery is after how many looks a file that was refused is read again though
// it has not changed: the clock may have been wrong.
const againEvery = 50

// followFile reads the file whenever it is another, or a changed one.
func (c *CRLs) followFile(ctx context.Context) error {
	var last fs.FileInfo
	failure := ""
	for looks := 1; ; looks++ {
		if failure != "" && looks%againEvery == 0 {
			last = nil
		}
		info, err := c.readIfChanged(last)
		if info != nil {
			last = info
		}
		switch {
		case errors.Is(err, errUnchanged):
		case err == nil:
			failure = ""
		case err.Error() != failure: // once, not five times a second
			failure = err.Error()
			c.log().Warn("following the CRLs", "file", c.File, "error", err)
		}
		c.learn(ctx, c.Client)
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}

var errUnchanged = errors.New("the file is as it was")

// readIfChanged reads the file, and returns what it is now. It returns errUnchanged
// if that is what it was at last.
func (c *CRLs) readIfChanged(last fs.FileInfo) (fs.FileInfo, error) {
	info, err := os.Stat(c.File)
	if err != nil {
		return nil, fmt.Errorf("looking at the bundle of CRLs: %w", err)
	}
	if last != nil && os.SameFile(info, last) && info.ModTime().Equal(last.ModTime()) && info.Size() == last.Size() {
		return info, errUnchanged
	}
	if info.Size() > maxBundle {
		return info, fmt.Errorf("the bundle of CRLs has more than %d bytes", maxBundle)
	}
	data, err := os.ReadFile(c.File)
	if err != nil {
		return nil, fmt.Errorf("reading the bundle of CRLs: %w", err)
	}
	return info, c.take(data)
}
