package crlsync_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOneAtATimeComparesAndReplaces has another process hold the lock, and put a
// newer file there before it lets go: comparing must come after that.
func TestOneAtATimeComparesAndReplaces(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.origin.serve(b.origin.lists(t, list{Number: 2}))
	lock, err := os.Create(filepath.Join(b.dir, ".crl-bundle.pem.lock"))
	must(t, err)
	defer lock.Close()
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	s := b.sync()
	done := make(chan error, 1)
	go func() { done <- s.Once(t.Context()) }()
	until(t, "the question for the chain", func() bool { return b.origin.questions() == 2 })
	select {
	case err := <-done:
		t.Fatalf("it did not wait for the lock: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	newer := b.origin.lists(t, list{Number: 3})
	b.write("crl-bundle.pem", newer)
	must(t, lock.Close())
	if err := <-done; err == nil || !strings.Contains(err.Error(), "older") {
		t.Errorf("got %v, want a refusal: the other process has put a newer file there", err)
	}
	if b.read("crl-bundle.pem") != string(newer) {
		t.Error("the newer file is gone")
	}
}
