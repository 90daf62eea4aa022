//go:build !linux && !darwin && !freebsd

package bolt

import (
	"errors"
	"os"
)

func freeSpace(string) (uint64, error) {
	return 0, errors.New("this system does not tell how much space is free")
}

func unlock(*os.File) {}
