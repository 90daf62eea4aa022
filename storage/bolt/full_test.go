package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
)

// TestFullDisk fills the disk under an open store: a failed write names the disk,
// the store is not healthy until a commit succeeds, which it sees to itself once
// there is room again, and what was acknowledged is there. Disks are mounted by
// root alone, or in a user namespace, where the test runs again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		if os.Getenv("POSTERN_UNSHARED") != "" {
			t.Fatalf("a small disk cannot be mounted, as root of a user namespace either: %v", err)
		}
		again := exec.Command("unshare", "-rm", os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
		again.Env = append(os.Environ(), "POSTERN_UNSHARED=1")
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("the test in a user namespace: %v\n%s", err, out)
		}
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	o := options(t)
	o.Path, o.ScrubAfter = filepath.Join(dir, "postern.db"), time.Hour
	s := open(t, o)
	put := func(i int) error {
		return s.Update(context.Background(), func(tx issuance.Tx) error {
			id := issuance.OrderID(fmt.Sprint(i))
			return errors.Join(tx.PutOrder(issuance.Order{ID: id}), tx.PutSecret(ofOrder(id), issuance.NewSecret(bytes.Repeat([]byte{1}, 20_000))))
		})
	}
	acknowledged := 0
	var err error
	for ; acknowledged < 1000; acknowledged++ {
		if err = put(acknowledged); err != nil {
			break
		}
		if acknowledged == 5 {
			fill(t, filepath.Join(dir, "filler"))
		}
	}
	refused(t, "a write to a full disk", err, "no space left on the disk that holds postern.db")
	if issuance.CodeOf(err) != bolt.CodeDiskFull {
		t.Errorf("got the code %s", issuance.CodeOf(err))
	}
	refused(t, "health", s.Health(), "no space left")
	if s.Stats().Failed == 0 {
		t.Error("no failed commit was counted")
	}
	if free, err := s.Free(); err != nil || free > 1<<20 {
		t.Errorf("%d octets are said to be free, %v", free, err)
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); s.Health() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("there is room again, and still: %v", s.Health())
		}
	}
	if err := put(acknowledged); err != nil {
		t.Errorf("a write once there is room: %v", err)
	}
	for i := range acknowledged + 1 {
		if !hasOrder(t, s, issuance.OrderID(fmt.Sprint(i))) {
			t.Errorf("order %d was acknowledged, and is not there", i)
		}
	}
	check(t, s.Bolt())
	closeStore(t, s)
}

// fill writes to path until the disk takes no more.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, io.LimitReader(zeros{}, 1<<30)); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
