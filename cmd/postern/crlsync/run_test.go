package crlsync_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAChangeArrivesWhileItWaits has the server answer when there is something new.
func TestAChangeArrivesWhileItWaits(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.origin.serve(b.origin.lists(t, list{}))
	b.options.Interval = time.Hour // without waiting nothing would come
	stop := b.run()
	for number := range int64(5) {
		want := b.origin.serve(b.origin.lists(t, list{Number: number + 1}))
		until(t, "a change", func() bool { return b.read("crl-bundle.pem") == string(want) })
		until(t, "the next question", func() bool {
			b.origin.mu.Lock()
			defer b.origin.mu.Unlock()
			return b.origin.waiting == 1
		})
	}
	stop()
	if got := b.metric(`postern_crl_sync_crl_number{issuer="Issuing 1"}`); got != "5" {
		t.Errorf("the CRL number is %s, want 5", got)
	}
}

// TestAServerThatDoesNotWaitIsAskedFromTimeToTime has one that says it waits and
// answers at once.
func TestAServerThatDoesNotWaitIsAskedFromTimeToTime(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	text := b.origin.lists(t, list{})
	b.origin.fail(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Preference-Applied", "wait=60")
		w.Header().Set("ETag", `"same"`)
		switch {
		case strings.HasSuffix(r.URL.Path, "chain.pem"):
			w.Write(b.origin.chain)
		case r.Header.Get("If-None-Match") == `"same"`:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Write(text)
		}
	})
	b.options.Interval = 100 * time.Millisecond
	stop := b.run()
	until(t, "the file", func() bool { return b.read("crl-bundle.pem") != "" })
	began, before := time.Now(), b.origin.questions()
	until(t, "more questions", func() bool { return b.origin.questions() >= before+8 })
	took := time.Since(began)
	stop()
	if least := 6 * 90 * time.Millisecond; took < least {
		t.Errorf("it asked 8 times in %v, want one time each 100 ms", took)
	}
}

// TestAFileThatSomebodySpoiltIsMended cuts, removes and replaces the file under it.
func TestAFileThatSomebodySpoiltIsMended(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.options.Wait = 10 * time.Millisecond // it looks at the file before each question
	want := b.origin.serve(b.origin.lists(t, list{Number: 5}))
	older := b.origin.lists(t, list{Number: 4})
	b.run()
	mended := func() bool { return b.read("crl-bundle.pem") == string(want) }
	until(t, "the file", mended)
	for _, spoilt := range [][]byte{want[:len(want)/2], nil, older, []byte("rubbish\n")} {
		must(t, os.WriteFile(filepath.Join(b.dir, "spoilt"), spoilt, 0o644))
		must(t, os.Rename(filepath.Join(b.dir, "spoilt"), b.out))
		until(t, "the mended file", mended)
	}
	must(t, os.Remove(b.out))
	until(t, "the file anew", mended)
}

func TestTheReloadCommandRunsAfterAChangeAlone(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.options.Environ = append(os.Environ(), "POSTERN_CRL_SYNC_ALERT=https://hooks.example/secret")
	b.options.Reload = "env | grep -c POSTERN_ >> " + filepath.Join(b.dir, "env") + "; cat " + b.out + " >> " + filepath.Join(b.dir, "loaded")
	first := b.origin.serve(b.origin.lists(t, list{Number: 1}))
	for range 3 {
		must(t, b.once())
	}
	if b.read("loaded") != string(first) {
		t.Error("it was not run once")
	}
	second := b.origin.serve(b.origin.lists(t, list{Number: 2}))
	must(t, b.once())
	if b.read("loaded") != string(first)+string(second) || b.metric(`postern_crl_sync_reloads_total{result="done"}`) != "1" {
		t.Error("it was not run for the second file")
	}
	if b.read("env") != "0\n0\n" {
		t.Errorf("the command sees our variables: %q", b.read("env"))
	}
}

// TestAReloadThatFailsIsOwed goes through a failing check, a failing reload, one
// that hangs, and a restart.
func TestAReloadThatFailsIsOwed(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	loaded := "cp " + b.out + " " + filepath.Join(b.dir, "loaded")
	want := b.origin.serve(b.origin.lists(t, list{Number: 1}))
	b.options.CommandTimeout = 3 * time.Second
	for _, bad := range []struct{ check, reload, reason, says string }{
		{"echo 'syntax error'; exit 3", loaded, "check", "syntax error"},
		{"", "echo 'no such unit' >&2; false", "reload", "no such unit"},
		{"", "echo begun; sleep 600 & echo $! > " + filepath.Join(b.dir, "pid") + "; sleep 600", "reload", "did not end within"},
	} {
		b.options.Check, b.options.Reload = bad.check, bad.reload
		err := b.once()
		if err == nil || !strings.Contains(err.Error(), bad.says) || b.metric("postern_crl_sync_failures_total{reason=\""+bad.reason+"\"}") != "1" {
			t.Errorf("%s: got %v", bad.reason, err)
		}
		if b.read("crl-bundle.pem") != string(want) || b.read("loaded") != "" || b.metric("postern_crl_sync_reload_owed") != "1" {
			t.Errorf("%s: the file must be there, and not loaded", bad.reason)
		}
	}
	until(t, "the end of what the hanging command started", func() bool {
		line, err := os.ReadFile("/proc/" + strings.TrimSpace(b.read("pid")) + "/cmdline")
		return err != nil || len(line) == 0 // gone, or waiting to be buried
	})
	b.options.Check, b.options.Reload = "", loaded
	must(t, b.once()) // nothing has changed, and yet
	if b.read("loaded") != string(want) || b.metric("postern_crl_sync_reload_owed") != "0" {
		t.Error("the reload that was owed was not done")
	}
}

// TestWithoutAFileNothingIsLoaded begins as after a kill between the note that a
// reload is owed and the first file: the command waits for that file.
func TestWithoutAFileNothingIsLoaded(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	must(t, os.WriteFile(filepath.Join(b.dir, ".crl-bundle.pem.reload-owed"), []byte("0123\n"), 0o600))
	b.options.Reload = "echo x >> " + filepath.Join(b.dir, "ran") + "; cp " + b.out + " " + filepath.Join(b.dir, "loaded")
	stop := b.run()
	until(t, "a question that fails", func() bool { return b.origin.questions() > 1 })
	want := b.origin.serve(b.origin.lists(t, list{Number: 1}))
	until(t, "the reload", func() bool { return b.read("loaded") == string(want) })
	stop()
	if got := b.read("ran"); got != "x\n" {
		t.Errorf("the command ran %d times, want once", len(got)/2)
	}
}

// TestAFailingReloadIsTriedAgain runs on, with a command that works at the third try.
func TestAFailingReloadIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	tries := filepath.Join(b.dir, "tries")
	b.options.Reload = "echo x >> " + tries + "; test $(wc -l < " + tries + ") -ge 3"
	b.origin.serve(b.origin.lists(t, list{Number: 1}))
	stop := b.run()
	until(t, "the third try", func() bool { return b.metric(`postern_crl_sync_reloads_total{result="done"}`) == "1" })
	stop()
	if b.read("tries") != "x\nx\nx\n" || b.metric("postern_crl_sync_reload_owed") != "0" {
		t.Errorf("got %q", b.read("tries"))
	}
}

// TestChangesShareAReload makes many changes while reloads have to keep apart.
func TestChangesShareAReload(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.options.MinReload = 500 * time.Millisecond
	b.options.Reload = "cp " + b.out + " " + filepath.Join(b.dir, "loaded")
	b.origin.serve(b.origin.lists(t, list{}))
	stop := b.run()
	began := time.Now()
	var last []byte
	for number := range int64(30) {
		last = b.origin.serve(b.origin.lists(t, list{Number: number + 1}))
		until(t, "the file", func() bool { return b.read("crl-bundle.pem") == string(last) })
	}
	until(t, "the last reload", func() bool { return b.read("loaded") == string(last) })
	stop()
	most := int(time.Since(began)/b.options.MinReload) + 2
	if got := len(strings.Split(b.log.String(), "the file was replaced")) - 1; got != 31 && got != 30 {
		t.Errorf("%d files were written, want all 30", got)
	}
	got, err := strconv.Atoi(b.metric(`postern_crl_sync_reloads_total{result="done"}`))
	if err != nil || got > most {
		t.Errorf("%d reloads for 30 changes, want at most %d; %v", got, most, err)
	}
}

// TestTwoKeepOneFile has two follow the same address into the same file, with
// somebody who reads it all the time.
func TestTwoKeepOneFile(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.options.Reload = "true"
	b.origin.serve(b.origin.lists(t, list{Number: 1}))
	must(t, b.once())
	stops := []func(){b.run(), b.run(), b.run()}
	var last []byte
	newest := int64(0)
	for number := range int64(100) {
		last = b.origin.serve(b.origin.lists(t, list{Number: number + 2, Serials: []int64{number}}))
		for range 3 {
			text, err := os.ReadFile(b.out)
			must(t, err)
			got := b.whole(text)
			if got < newest {
				t.Fatalf("the file went back from %d to %d", newest, got)
			}
			newest = got
		}
	}
	until(t, "the last file", func() bool { return b.read("crl-bundle.pem") == string(last) })
	until(t, "the last reload", func() bool { return b.read(".crl-bundle.pem.reload-owed") == "" })
	for _, stop := range stops {
		stop()
	}
}

// hook is a webhook that takes nothing for a while.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	refuse int
	got    []map[string]any
}

func newHook(t *testing.T, refuse int) *hook {
	t.Helper()
	h := &hook{refuse: refuse}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		var alert map[string]any
		if json.Unmarshal(body, &alert) != nil || r.Header.Get("Content-Type") != "application/json" || r.URL.Path != "/secret" {
			t.Errorf("the webhook got %s", body)
		}
		if h.refuse--; h.refuse >= 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		h.got = append(h.got, alert)
	}))
	t.Cleanup(h.Close)
	return h
}

// states lists what the webhook took.
func (h *hook) states() (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.got {
		list = append(list, a["previous"].(string)+" → "+a["state"].(string))
	}
	return list
}

// TestTheAlarmGoesOffOnceForEachChange lets a file lapse by the clock while the
// server is down, with restarts in between.
func TestTheAlarmGoesOffOnceForEachChange(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	h := newHook(t, 2)
	b.options.Alert = secret(h.URL + "/secret")
	b.options.Wait = time.Second // it does not wait long with a question that would not fail
	var mu sync.Mutex
	ahead := time.Duration(0)
	set := func(d time.Duration) { mu.Lock(); ahead = d; mu.Unlock() }
	b.options.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }
	b.origin.serve(b.origin.lists(t, list{Number: 1}))
	stop := b.run()
	until(t, "the file", func() bool { return b.read("crl-bundle.pem") != "" })
	b.origin.fail(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	until(t, "a question that fails", func() bool { return b.metric(`postern_crl_sync_failures_total{reason="status"}`) != "" })

	set(23*time.Hour + time.Minute) // an hour before it lapses
	until(t, "the first alarm, which is refused twice", func() bool { return len(h.states()) == 1 })
	stop()
	for range 2 { // a timer
		if err := b.once(); err == nil {
			t.Error("status 0 while the server is down")
		}
	}
	stop = b.run()
	set(24*time.Hour + time.Second)
	until(t, "the second alarm", func() bool { return len(h.states()) == 2 })
	set(0)
	b.origin.fail(nil)
	until(t, "the all-clear", func() bool { return len(h.states()) == 3 })
	stop()
	want := []string{"fresh → lapsing", "lapsing → lapsed", "lapsed → fresh"}
	if d := cmp.Diff(want, h.states()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if a := h.got[0]; a["reason"] != "status" || a["file"] != b.out || a["source"] != b.options.URL || a["seconds_left"].(float64) > 3600 {
		t.Errorf("the alarm says %v", a)
	}
	if log := b.log.String(); strings.Contains(log, "/secret") || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "state=lapsed") {
		t.Errorf("the log must shout, and not tell the webhook's address:\n%s", log)
	}
}

func TestAReloadThatFailsIsAnAlarm(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	h := newHook(t, 0)
	b.options.Alert, b.options.Reload = secret(h.URL+"/secret"), "echo no such unit; false"
	b.origin.serve(b.origin.lists(t, list{Number: 1}))
	if err := b.once(); err == nil {
		t.Error("status 0")
	}
	b.options.Reload = "true"
	must(t, b.once())
	if d := cmp.Diff([]string{"fresh → reload-failed", "reload-failed → fresh"}, h.states()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := h.got[0]["error"].(string); !strings.Contains(got, "no such unit") {
		t.Errorf("the alarm says %q", got)
	}
}

// TestSystemdIsTold waits for the file before it says that it is ready.
func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	var mu sync.Mutex
	var states []string
	b.options.Notify = func(state string) { mu.Lock(); states = append(states, state); mu.Unlock() }
	told := func(prefix string) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.ContainsFunc(states, func(s string) bool { return strings.HasPrefix(s, prefix) })
	}
	b.origin.fail(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	stop := b.run()
	until(t, "the status", func() bool { return told("STATUS=lapsed: there is no file; not refreshed: status") })
	if told("READY=1") {
		t.Error("it is ready without a file")
	}
	b.origin.serve(b.origin.lists(t, list{Number: 7}))
	b.origin.fail(nil)
	until(t, "ready", func() bool { return told("READY=1") && told("STATUS=fresh, lapses ") && told("WATCHDOG=1") })
	stop()
	if !told("STOPPING=1") {
		t.Error("it does not say that it stops")
	}
}

func TestItEndsWhenItIsTold(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.origin.serve(b.origin.lists(t, list{}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.sync().Once(ctx); err == nil {
		t.Error("a fetch that was interrupted is no success")
	}
	must(t, b.sync().Run(ctx))
}
