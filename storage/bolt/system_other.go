//go:build !linux && !darwin && !freebsd

package bolt

import (
	"errors"
	"os"
)

func freeSpace(string) (uint64, error) {
	return 0, errors.New("this system does not report free space")
}

func unlock(*os.File) {}
