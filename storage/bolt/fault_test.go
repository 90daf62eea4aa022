package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
)

// faultWriter puts orders one after the other while the disk fails once, and
// tells what became of each: "ok", or "failed" with what a View says of it then.
func faultWriter(dir, round string) error {
	s, err := openIn(dir)
	if err != nil {
		fmt.Println("unopened", round)
		return nil
	}
	for i := range 20 {
		id := issuance.OrderID(fmt.Sprint(round, ".", i))
		err := s.Update(context.Background(), func(tx issuance.Tx) error {
			return errors.Join(tx.PutOrder(issuance.Order{ID: id, Comment: string(make([]byte, 5000))}), tx.PutSecret(ofOrder(id), issuance.NewSecret(make([]byte, 5000))))
		})
		if err == nil {
			fmt.Println("ok", id)
			continue
		}
		fmt.Println("failed", id, seen(s, id))
	}
	s.Close()
	return nil
}

func seen(s *bolt.Store, id issuance.OrderID) string {
	err := s.View(context.Background(), func(tx issuance.Snapshot) error { return drop(tx.Order(id)) })
	switch {
	case err == nil:
		return "present"
	case errors.Is(err, issuance.ErrNotFound):
		return "absent"
	}
	return "refused"
}

// TestFaults lets each call that writes fail once, at several places. What was
// acknowledged is there after that; what failed is not, unless the store said
// that it does not know, and refused all that came later.
func TestFaults(t *testing.T) {
	t.Parallel()
	o := options(t)
	outcomes := make(map[string]int)
	for _, fault := range []string{"fdatasync:error=EIO", "pwrite64:error=ENOSPC", "ftruncate:error=ENOSPC", "fsync:error=EIO"} {
		for n := 1; n <= 8; n++ {
			round := fmt.Sprintf("%s-%d", fault[:5], n)
			said, err := underStrace(t, filepath.Dir(o.Path), fmt.Sprintf("%s:when=%d", fault, n), "CRASH_FAULTS=1", "CRASH_ROUND="+round)
			if err != nil {
				t.Fatalf("%s: %v, %v", round, err, said)
			}
			s := open(t, o)
			checkFaults(t, s, round, said, outcomes)
			check(t, s.Bolt())
			closeStore(t, s)
		}
	}
	t.Log(outcomes)
	if outcomes["absent"] == 0 || outcomes["refused"] == 0 || outcomes["ok"] == 0 {
		t.Errorf("the test is blind: %v", outcomes)
	}
}

func checkFaults(t *testing.T, s *bolt.Store, round string, said [][]string, outcomes map[string]int) {
	t.Helper()
	refused := 0
	for _, line := range said {
		if line[0] == "unopened" {
			outcomes["unopened"]++
			continue
		}
		there := hasOrder(t, s, issuance.OrderID(line[1]))
		outcome := line[0]
		if outcome == "failed" {
			outcome = line[2]
		}
		outcomes[outcome]++
		switch {
		case outcome == "refused":
			if refused++; refused > 1 && there {
				t.Errorf("%s: %s is there, although the store had refused all before", round, line[1])
			}
		case refused > 0:
			t.Errorf("%s: %s after the store had refused", round, line)
		case outcome == "ok" && !there, outcome == "absent" && there, outcome == "present":
			t.Errorf("%s: %s, and after opening again it is there: %v", round, line, there)
		}
	}
}
