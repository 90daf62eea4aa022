package local

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// desk answers requests in a directory until the test ends.
type desk struct {
	dir   string
	asked []Request
	by    issuance.Actor
	err   error
}

func (d *desk) add(by issuance.Actor, q Request) (staff.Token, error) {
	d.asked, d.by = append(d.asked, q), by
	return staff.Token{ID: "tok-1"}, d.err
}

// ask asks as the command does, while the desk answers.
func (d *desk) ask(t *testing.T) (staff.TokenID, issuance.Secret, error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			err = Serve(d.dir, d.add)
			time.Sleep(time.Millisecond)
		}
		ended <- err
	}()
	id, secret, err := Ask(t.Context(), d.dir, Request{Name: "laptop", Owner: "olga", Role: issuance.RoleAdministrator})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return id, secret, err
}

// empty reports what is in a directory that should have nothing.
func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("there is still %v: %v", left, err)
	}
}

func TestTheServerGetsADigestAlone(t *testing.T) {
	d := &desk{dir: t.TempDir()}
	id, secret, err := d.ask(t)
	if err != nil || id != "tok-1" || len(d.asked) != 1 || d.asked[0].Digest != issuance.DigestOf(secret) || d.asked[0].Owner != "olga" {
		t.Errorf("got %v, %v, asked %+v", id, err, d.asked)
	}
	if d.by.Role != issuance.RoleSystem || d.by.ID != "local" || !strings.HasSuffix(d.by.Name, " on the server's machine") {
		t.Errorf("it was asked by %+v", d.by)
	}
	empty(t, d.dir)
}

func TestARefusalArrives(t *testing.T) {
	d := &desk{dir: t.TempDir(), err: issuance.Invalidf("owner", "is too long", "say it in fewer letters")}
	_, secret, err := d.ask(t)
	e, ok := err.(*issuance.Error)
	if !ok || !secret.Empty() || e.Message != "owner: is too long" || e.Hint != "say it in fewer letters" {
		t.Errorf("got %#v", err)
	}
	empty(t, d.dir)
}

// TestWithoutAServerNothingIsLeft: a request that nobody answers is taken back.
func TestWithoutAServerNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _, err := Ask(ctx, dir, Request{Name: "laptop", Owner: "olga"})
	if issuance.KindOf(err) != issuance.Unavailable || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("got %v", err)
	}
	empty(t, dir)
}

// TestOnlyOurOwnFreshFileIsARequest: no link, nothing that others may write or read,
// nothing old, and nothing in a directory that others may write to.
func TestOnlyOurOwnFreshFileIsARequest(t *testing.T) {
	text := []byte(`{"name": "x", "owner": "mallory", "role": "administrator", "digest": "d"}`)
	for name, place := range map[string]func(t *testing.T, dir, path string){
		"a link": func(t *testing.T, dir, path string) {
			real := filepath.Join(t.TempDir(), "real")
			put(t, real, text)
			ok(t, os.Symlink(real, path))
		},
		"open to others": func(t *testing.T, _, path string) { put(t, path, text); ok(t, os.Chmod(path, 0o620)) },
		"old": func(t *testing.T, _, path string) {
			put(t, path, text)
			ok(t, os.Chtimes(path, time.Time{}, time.Now().Add(-2*validFor)))
		},
		"no request":           func(t *testing.T, _, path string) { put(t, path, []byte("rubbish")) },
		"in an open directory": func(t *testing.T, dir, path string) { put(t, path, text); ok(t, os.Chmod(dir, 0o777)) },
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{dir: t.TempDir()}
			place(t, d.dir, filepath.Join(d.dir, requestFile))
			if err := Serve(d.dir, d.add); err == nil || len(d.asked) > 0 {
				t.Errorf("it was answered: %v, %+v", err, d.asked)
			}
		})
	}
}

func put(t *testing.T, path string, text []byte) { t.Helper(); ok(t, os.WriteFile(path, text, 0o600)) }

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
