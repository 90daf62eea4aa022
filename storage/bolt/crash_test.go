package bolt_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
)

// TestMain is also the program that TestKilled kills, and TestFaults lets fail.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CRASH_DIR"); dir != "" {
		write := crashWriter
		if os.Getenv("CRASH_FAULTS") != "" {
			write = faultWriter
		}
		if err := write(dir, os.Getenv("CRASH_ROUND")); err != nil {
			fmt.Println("error", err)
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashWriter places orders and finishes them from eight goroutines, and tells
// on standard output what was acknowledged. It has ten seconds: on a busy machine the kill may come late.
func crashWriter(dir, round string) error {
	s, err := openIn(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	say := func(what string, id issuance.OrderID) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(what, id)
	}
	for g := range 8 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := issuance.OrderID(fmt.Sprintf("%s.%d.%d", round, g, i))
				if s.Update(ctx, func(tx issuance.Tx) error { return placed(tx, id) }) == nil {
					say("placed", id)
				}
				if s.Update(ctx, func(tx issuance.Tx) error { return finished(tx, id) }) == nil {
					say("finished", id)
				}
			}
		})
	}
	all.Wait()
	return s.Close()
}

// openIn opens the store in dir.
func openIn(dir string) (*bolt.Store, error) {
	key, err := seal.Load(filepath.Join(dir, "seal.key"))
	if err != nil {
		return nil, err
	}
	return bolt.Open(bolt.Options{
		Path: filepath.Join(dir, "postern.db"), Key: key, ScrubAfter: time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
}

func ofOrder(id issuance.OrderID) issuance.SecretRef {
	return issuance.SecretRef{Kind: issuance.PKCS12Secret, Owner: string(id)}
}

func placed(tx issuance.Tx, id issuance.OrderID) error {
	return errors.Join(
		tx.PutOrder(issuance.Order{ID: id, State: issuance.IssuedState, RequestedAt: time.Now()}),
		tx.PutSecret(ofOrder(id), issuance.NewSecret(bytes.Repeat([]byte("file"), 500))),
		tx.PutNotice(issuance.Notice{ID: issuance.NoticeID(id), Order: id}),
		tx.AppendAudit(issuance.AuditRecord{Order: id, Verb: issuance.IssueVerb}))
}

func finished(tx issuance.Tx, id issuance.OrderID) error {
	o, err := tx.Order(id)
	if err != nil {
		return err
	}
	o.State = issuance.CompletedState
	return errors.Join(tx.PutOrder(o), tx.DeleteSecret(ofOrder(id)), tx.AppendAudit(issuance.AuditRecord{Order: id, Verb: issuance.CompleteVerb}))
}

// TestKilled kills the writer at a call of fdatasync or fsync, the n-th of a
// thread: before and between those of a commit, and in a scrub. What was
// acknowledged must be there, and nothing half.
func TestKilled(t *testing.T) {
	t.Parallel()
	o := options(t)
	dir := filepath.Dir(o.Path)
	all := make(map[string]string) // by order: what was acknowledged last
	kills := 0
	for n := 1; n <= 30; n++ {
		said, err := underStrace(t, dir, fmt.Sprintf("fdatasync,fsync:signal=SIGKILL:when=%d", n), fmt.Sprint("CRASH_ROUND=", n))
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
			kills++ // strace ends as its child did
		} else if err != nil {
			t.Fatalf("kill %d: %v", n, err)
		}
		for _, line := range said {
			if line[0] == "error" {
				t.Fatalf("kill %d: the writer says %q", n, line)
			}
			all[line[1]] = line[0]
		}
		s := open(t, o)
		checkWhole(t, s, all)
		check(t, s.Bolt())
		closeStore(t, s)
		if t.Failed() {
			t.Fatalf("after kill %d", n)
		}
	}
	t.Logf("%d kills, %d orders acknowledged", kills, len(all))
	if kills < 25 || len(all) == 0 {
		t.Error("the test is blind: too few kills, or nothing was acknowledged")
	}
}

// underStrace runs the writer with a fault, and returns the words of what it said.
func underStrace(t *testing.T, dir, fault string, env ...string) (said [][]string, err error) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("this test needs strace: apt-get install strace")
	}
	calls, _, _ := strings.Cut(fault, ":")
	args := []string{"-f", "-qq", "-o", filepath.Join(dir, "trace"), "-e", "trace=" + calls, "-e", "inject=" + fault}
	if !strings.Contains(fault, ":signal=") { // quicker, but the signal of the first call is lost
		args = append(args, "--seccomp-bpf")
	}
	cmd := exec.Command(strace, append(args, os.Args[0])...)
	cmd.Env = append(append(os.Environ(), "CRASH_DIR="+dir), env...)
	out, err := cmd.Output()
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		said = append(said, strings.Fields(lines.Text()))
	}
	return said, err
}

// checkWhole looks whether all that was acknowledged is there, and whether all
// that is there is whole.
func checkWhole(t *testing.T, s *bolt.Store, acknowledged map[string]string) {
	t.Helper()
	if err := s.View(t.Context(), func(tx issuance.Snapshot) error {
		for id, what := range acknowledged {
			o, err := tx.Order(issuance.OrderID(id))
			if err != nil || what == "finished" && o.State != issuance.CompletedState {
				t.Errorf("%s was acknowledged as %s and is %q: %v", id, what, o.State, err)
			}
		}
		page := issuance.Page{Limit: issuance.MaxPage}
		for first := true; first || page.After != ""; first = false {
			orders, next, err := tx.Orders(issuance.OrderQuery{Page: page})
			if err != nil {
				return err
			}
			for _, o := range orders {
				checkOrder(t, tx, o)
			}
			page.After = next
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func checkOrder(t *testing.T, tx issuance.Snapshot, o issuance.Order) {
	t.Helper()
	audit, _, err := tx.Audit(issuance.AuditQuery{Order: o.ID})
	_, noticeErr := tx.Notice(issuance.NoticeID(o.ID))
	_, secretErr := tx.Secret(ofOrder(o.ID))
	want := 1
	if o.State == issuance.CompletedState {
		want = 2
		if !errors.Is(secretErr, issuance.ErrNotFound) {
			t.Errorf("%s is completed, and its secret: %v", o.ID, secretErr)
		}
	} else if secretErr != nil {
		t.Errorf("%s is issued, and its secret: %v", o.ID, secretErr)
	}
	if err != nil || noticeErr != nil || len(audit) != want {
		t.Errorf("%s is %s, with %d audit records: %v, %v", o.ID, o.State, len(audit), err, noticeErr)
	}
}
