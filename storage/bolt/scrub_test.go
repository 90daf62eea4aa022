package bolt_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
)

// sealedBytes returns what the file has of a secret, from bbolt itself.
func sealedBytes(t *testing.T, s *bolt.Store) (all [][]byte) {
	t.Helper()
	if err := s.Bolt().View(func(b *bbolt.Tx) error {
		return b.Bucket([]byte("secrets")).ForEach(func(_, v []byte) error {
			all = append(all, bytes.Clone(v))
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// found returns how many of the pieces of sealed stand in the file, wherever.
func found(t *testing.T, path string, sealed [][]byte) (n int) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file = bytes.TrimRight(file, "\x00") // most of it
	for _, v := range sealed {
		for i := 0; i+16 <= len(v); i += 16 {
			if bytes.Contains(file, v[i:i+16]) {
				n++
			}
		}
	}
	return n
}

func putSecrets(t *testing.T, s *bolt.Store, n, size int) {
	t.Helper()
	for i := range n {
		if err := s.Update(t.Context(), func(tx issuance.Tx) error { return tx.PutSecret(secretRef(i), issuance.NewSecret(make([]byte, size))) }); err != nil {
			t.Fatal(err)
		}
	}
}

func deleteSecrets(t *testing.T, s *bolt.Store, n int) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx issuance.Tx) error {
		var errs []error
		for i := range n {
			errs = append(errs, tx.DeleteSecret(secretRef(i)))
		}
		return errors.Join(errs...)
	}); err != nil {
		t.Fatal(err)
	}
}

func secretRef(i int) issuance.SecretRef {
	return issuance.SecretRef{Kind: issuance.PKCS12Secret, Owner: fmt.Sprint(i)}
}

func scrub(t *testing.T, s *bolt.Store) {
	t.Helper()
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// check lets bbolt look for inconsistencies.
func check(t *testing.T, db *bbolt.DB) {
	t.Helper()
	if err := db.View(func(b *bbolt.Tx) error {
		var errs []error
		for err := range b.Check() {
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}); err != nil {
		t.Fatal(err)
	}
}

// unscrubbed returns options of a store that does not scrub by itself.
func unscrubbed(t *testing.T) bolt.Options {
	o := options(t)
	o.ScrubAfter = time.Hour
	return o
}

func TestScrub(t *testing.T) {
	o := unscrubbed(t)
	s := open(t, o)
	defer closeStore(t, s)
	putSecrets(t, s, 40, 3000)
	putSecrets(t, s, 20, 9000) // in the place of others: several pages each
	sealed := sealedBytes(t, s)
	if found(t, o.Path, sealed) == 0 {
		t.Fatal("the sealed secrets are not in the file: the test is blind")
	}
	putOrder(t, s, "kept")
	deleteSecrets(t, s, 40)
	if found(t, o.Path, sealed) == 0 {
		t.Fatal("bbolt overwrote what was deleted by itself: the test is blind")
	}
	scrub(t, s)
	if n := found(t, o.Path, sealed); n != 0 {
		t.Errorf("%d pieces of deleted secrets are still in the file", n)
	}
	if s.Stats().PagesZeroed == 0 {
		t.Error("PagesZeroed is 0")
	}
	check(t, s.Bolt())
	if !hasOrder(t, s, "kept") {
		t.Error("a record is gone")
	}
	before := s.Stats()
	scrub(t, s)
	if after := s.Stats(); after != before {
		t.Errorf("a second scrub wrote again: %+v, then %+v", before, after)
	}
}

// TestReplacedSecretIsScrubbed puts a new secret in the place of an old one.
func TestReplacedSecretIsScrubbed(t *testing.T) {
	o := options(t)
	o.ScrubAfter = time.Millisecond
	s := open(t, o)
	defer closeStore(t, s)
	putSecrets(t, s, 1, 3000)
	sealed := sealedBytes(t, s)
	putSecrets(t, s, 1, 3000)
	eventuallyGone(t, o.Path, sealed)
}

func TestStoreScrubsByItself(t *testing.T) {
	o := options(t)
	o.ScrubAfter = time.Millisecond
	s := open(t, o)
	defer closeStore(t, s)
	putSecrets(t, s, 10, 3000)
	sealed := sealedBytes(t, s)
	deleteSecrets(t, s, 10)
	eventuallyGone(t, o.Path, sealed)
}

func eventuallyGone(t *testing.T, path string, sealed [][]byte) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); found(t, path, sealed) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a deleted secret is still in the file")
		}
	}
}

func TestCloseAndOpenScrub(t *testing.T) {
	o := unscrubbed(t)
	s := open(t, o)
	putSecrets(t, s, 10, 3000)
	sealed := sealedBytes(t, s)
	deleteSecrets(t, s, 10)
	file, err := os.ReadFile(o.Path) // as if the process were killed now
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if n := found(t, o.Path, sealed); n != 0 {
		t.Errorf("after Close, %d pieces of deleted secrets are in the file", n)
	}
	if err := os.WriteFile(o.Path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	o.ScrubAfter = time.Millisecond
	s = open(t, o)
	defer closeStore(t, s)
	eventuallyGone(t, o.Path, sealed)
}

// TestScrubBehindTheLastPage leaves bytes where a killed commit leaves them.
func TestScrubBehindTheLastPage(t *testing.T) {
	o := unscrubbed(t)
	s := open(t, o)
	defer closeStore(t, s)
	rubbish := make([]byte, 3*4096)
	rand.Read(rubbish)
	f, err := os.OpenFile(o.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(rubbish, info.Size()-int64(len(rubbish))); err != nil {
		t.Fatal(err)
	}
	if found(t, o.Path, [][]byte{rubbish}) == 0 {
		t.Fatal("the test is blind")
	}
	scrub(t, s)
	if n := found(t, o.Path, [][]byte{rubbish}); n != 0 {
		t.Errorf("%d pieces of it are still in the file", n)
	}
	check(t, s.Bolt())
}

// TestScrubWaitsForReaders reads, in a View that began before they were deleted,
// secrets that a scrub wants to overwrite.
func TestScrubWaitsForReaders(t *testing.T) {
	o := unscrubbed(t)
	s := open(t, o)
	defer closeStore(t, s)
	putSecrets(t, s, 20, 3000)
	sealed := sealedBytes(t, s)
	done := make(chan error, 1)
	if err := s.View(t.Context(), func(tx issuance.Snapshot) error {
		deleteSecrets(t, s, 20)
		go func() { done <- s.Scrub(context.Background()) }()
		for i := range 3 { // the scrub gets its turns
			putOrder(t, s, issuance.OrderID(fmt.Sprint(i)))
			time.Sleep(30 * time.Millisecond)
		}
		select {
		case err := <-done:
			t.Errorf("the scrub did not wait for the reader: %v", err)
		default:
		}
		for i := range 20 {
			if _, err := tx.Secret(secretRef(i)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := found(t, o.Path, sealed); n != 0 {
		t.Errorf("%d pieces of deleted secrets are still in the file", n)
	}
}

// TestScrubAmongReadersAndWriters reads, writes, deletes and scrubs at once.
// Every reader must find each record whole, with the secret that belongs to it.
func TestScrubAmongReadersAndWriters(t *testing.T) {
	o := options(t)
	o.ScrubAfter = time.Millisecond
	s := open(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	const n = 50
	write := func(tx issuance.Tx, i, size int) error {
		return errors.Join(
			tx.PutSecret(secretRef(i), issuance.NewSecret(bytes.Repeat([]byte{byte(size)}, size))),
			tx.PutOrder(issuance.Order{ID: issuance.OrderID(secretRef(i).Owner), Attempts: size, RequestedAt: time.Now()}))
	}
	for i := range n {
		if err := s.Update(t.Context(), func(tx issuance.Tx) error { return write(tx, i, 100) }); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for size := 0; ctx.Err() == nil; size = (size + 1237) % 12000 {
				i := (size*7 + g) % n
				err := s.Update(context.Background(), func(tx issuance.Tx) error {
					if size%3 == 0 {
						return errors.Join(tx.DeleteSecret(secretRef(i)), tx.PutOrder(issuance.Order{ID: issuance.OrderID(secretRef(i).Owner), Attempts: -1}))
					}
					return write(tx, i, size)
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		all.Go(func() {
			for ctx.Err() == nil {
				if err := s.View(context.Background(), readAll); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Go(func() {
		for ctx.Err() == nil {
			if err := s.Scrub(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	check(t, s.Bolt())
	t.Logf("%+v", s.Stats())
	if s.Stats().PagesZeroed == 0 {
		t.Error("nothing was scrubbed meanwhile")
	}
	closeStore(t, s)
	s = open(t, o)
	defer closeStore(t, s)
	if err := s.View(t.Context(), readAll); err != nil {
		t.Error(err)
	}
}

// readAll compares every order with its secret.
func readAll(tx issuance.Snapshot) error {
	orders, _, err := tx.Orders(issuance.OrderQuery{Page: issuance.Page{Limit: 500}})
	for _, o := range orders {
		secret, e := tx.Secret(issuance.SecretRef{Kind: issuance.PKCS12Secret, Owner: string(o.ID)})
		switch {
		case o.Attempts < 0 && errors.Is(e, issuance.ErrNotFound):
		case e != nil:
			err = errors.Join(err, fmt.Errorf("order %s with %d: %w", o.ID, o.Attempts, e))
		case !bytes.Equal(secret.Reveal(), bytes.Repeat([]byte{byte(o.Attempts)}, max(0, o.Attempts))):
			err = errors.Join(err, fmt.Errorf("order %s has another's secret", o.ID))
		}
	}
	return err
}
