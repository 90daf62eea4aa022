package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// desk answers requests in a directory until the test ends.
type desk struct {
	dir       string
	named     bool // each token has the id that is its name
	meanwhile func()
	err       error

	asked []Request
	by    issuance.Actor
	mu    sync.Mutex
}

func (d *desk) add(by issuance.Actor, q Request) (staff.Token, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked, d.by = append(d.asked, q), by
	if d.meanwhile != nil {
		d.meanwhile()
	}
	if d.named {
		return staff.Token{ID: staff.TokenID(q.Name)}, d.err
	}
	return staff.Token{ID: "tok-1"}, d.err
}

// digestOf returns the digest that came with a name.
func (d *desk) digestOf(name string) (found issuance.Digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.asked {
		if q.Name == name {
			found += q.Digest
		}
	}
	return found
}

// serve answers until stop is called.
func (d *desk) serve(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			err = Serve(d.dir, d.add)
			time.Sleep(time.Millisecond)
		}
		ended <- err
	}()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// ask asks as the command does, while the desk answers.
func (d *desk) ask(t *testing.T) (staff.TokenID, issuance.Secret, error) {
	t.Helper()
	defer d.serve(t)()
	return Ask(t.Context(), d.dir, Request{Name: "laptop", Owner: "olga", Role: issuance.RoleAdministrator})
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
	if issuance.KindOf(err) != issuance.Unavailable || !strings.Contains(err.Error(), "does not run") ||
		!strings.Contains(err.(*issuance.Error).Hint, "log") {
		t.Errorf("got %v", err)
	}
	empty(t, dir)
}

// TestOnlyOurOwnFreshFileIsARequest: no link, nothing that others may write or read,
// nothing of another time, and nothing in a directory that others may write to. Whoever
// waits is told so, where that can be done safely.
func TestOnlyOurOwnFreshFileIsARequest(t *testing.T) {
	text := []byte(`{"name": "x", "owner": "mallory", "role": "administrator", "digest": "d"}`)
	for name, place := range map[string]func(t *testing.T, dir, path string){
		"a link": func(t *testing.T, dir, path string) {
			real := filepath.Join(t.TempDir(), "real")
			put(t, real, text)
			ok(t, os.Symlink(real, path))
		},
		"open to others": func(t *testing.T, _, path string) { put(t, path, text); ok(t, os.Chmod(path, 0o620)) },
		"old":            func(t *testing.T, _, path string) { put(t, path, text); date(t, path, -2*validFor) },
		"of the future":  func(t *testing.T, _, path string) { put(t, path, text); date(t, path, 2*validFor) },
		"no request":     func(t *testing.T, _, path string) { put(t, path, []byte("rubbish")) },
		"in an open directory": func(t *testing.T, dir, path string) {
			put(t, path, text)
			ok(t, os.Chmod(dir, 0o777))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{dir: t.TempDir()}
			place(t, d.dir, filepath.Join(d.dir, requestFile+"x"))
			if err := Serve(d.dir, d.add); err == nil || len(d.asked) > 0 {
				t.Errorf("it was answered: %v, %+v", err, d.asked)
			}
			if name == "in an open directory" {
				return
			}
			said, err := os.ReadFile(filepath.Join(d.dir, answerFile+"x"))
			if err != nil || !strings.Contains(string(said), `"problem"`) || !strings.Contains(string(said), `"hint"`) {
				t.Errorf("who waits is told %q, %v", said, err)
			}
			if left, _ := os.ReadDir(d.dir); len(left) != 1 {
				t.Errorf("there is still %v", left)
			}
		})
	}
}

// TestManyAskAtOnce: each gets the token that they asked for.
func TestManyAskAtOnce(t *testing.T) {
	d := &desk{dir: t.TempDir(), named: true}
	stop := d.serve(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for round := range 25 {
				name := fmt.Sprintf("tok-%d-%d", i, round)
				id, secret, err := Ask(t.Context(), d.dir, Request{Name: name, Owner: "olga", Role: issuance.RoleAdministrator})
				if err != nil || string(id) != name || d.digestOf(name) != issuance.DigestOf(secret) {
					t.Errorf("asked for %s, got %q, %v", name, id, err)
				}
			}
		})
	}
	all.Wait()
	stop()
	empty(t, d.dir)
}

// TestWhoIsInterruptedKnowsWhatThereIs: no token, if the server has not taken the
// request; the token, if it is made meanwhile; or that there may be one.
func TestWhoIsInterruptedKnowsWhatThereIs(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	d := &desk{dir: t.TempDir(), meanwhile: interrupt}
	stop := d.serve(t)
	id, secret, err := Ask(ctx, d.dir, Request{Name: "laptop", Owner: "olga"})
	if stop(); err != nil || id != "tok-1" || secret.Empty() {
		t.Errorf("interrupted while the token is made: %q, %v", id, err)
	}
	empty(t, d.dir)
	_, _, err = Ask(ctx, d.dir, Request{Name: "laptop", Owner: "olga"})
	if err == nil || !strings.Contains(err.Error(), "interrupted before the server answered: no token was created") {
		t.Errorf("interrupted before: %v", err)
	}
	empty(t, d.dir)
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		go func() { // takes the request, and is killed
			for ctx.Err() == nil {
				time.Sleep(time.Second)
				for _, request := range glob(t, filepath.Join(d.dir, requestFile+"*")) {
					ok(t, os.Remove(request))
					interrupt()
				}
			}
		}()
		_, _, err := Ask(ctx, d.dir, Request{Name: "laptop", Owner: "olga"})
		if err == nil || !strings.Contains(err.Error(), "there may be a token") {
			t.Errorf("taken and not answered: %v", err)
		}
	})
	empty(t, d.dir)
}

// TestWhatACrashLeavesIsSettled: a request that was taken is answered, and what nobody
// waits for any longer goes.
func TestWhatACrashLeavesIsSettled(t *testing.T) {
	d := &desk{dir: t.TempDir()}
	at := func(name string) string { return filepath.Join(d.dir, name) }
	put(t, at(takenFile+"x"), []byte(`{"name": "x", "owner": "olga", "role": "administrator", "digest": "d"}`))
	for _, name := range []string{answerFile + "old", partFile + "old", answerFile + "new", partFile + "new", "token.of-somebody"} {
		put(t, at(name), nil)
		if !strings.HasSuffix(name, "new") {
			date(t, at(name), -2*validFor)
		}
	}
	ok(t, Serve(d.dir, d.add))
	if len(d.asked) != 1 {
		t.Errorf("asked %+v", d.asked)
	}
	want := []string{at(answerFile + "new"), at(answerFile + "x"), at("token.of-somebody"), at(partFile + "new")}
	if got := glob(t, at("*")); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	ok(t, err)
	return found
}

func date(t *testing.T, path string, from time.Duration) {
	t.Helper()
	ok(t, os.Chtimes(path, time.Time{}, time.Now().Add(from)))
}

func put(t *testing.T, path string, text []byte) { t.Helper(); ok(t, os.WriteFile(path, text, 0o600)) }

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
