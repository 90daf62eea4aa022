package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

// lockedBuffer is a log that many goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestSecretsAppearNowhere goes through an order, with mistakes at every step,
// while everything is logged, and looks for each secret that came up: in the
// log, in every listing and page of staff, in every error, in the answers that
// are no files, and in every file that is kept.
func TestSecretsAppearNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg, err := demoConfig(dir)
	must(t, err)
	logged := new(lockedBuffer)
	h, err := open(t.Context(), cfg, newLog(config.Log{Level: "debug"}, logged), time.Now)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- h.run(ctx, func() { close(ready) }) }()
	<-ready
	s, err := newStory(ctx, h, demoOptions{data: dir, out: io.Discard, log: io.Discard})
	must(t, err)
	secrets := map[string]string{"admin token": string(s.token.Reveal()), "CA passphrase": string(cfg.CA.Passphrase.Reveal())}
	var answers strings.Builder
	say := func(method, address string, form url.Values) {
		status, header, body, err := s.do(ctx, s.client, method, address, "application/x-www-form-urlencoded", []byte(form.Encode()))
		if err != nil {
			answers.WriteString(err.Error() + "\n")
			return
		}
		if header.Get("Content-Type") != "application/x-pkcs12" {
			answers.WriteString(http.StatusText(status) + "\n")
			for name, values := range header {
				if name != "Set-Cookie" { // cookies are where the token belongs
					answers.WriteString(name + ": " + strings.Join(values, ", ") + "\n")
				}
			}
			answers.Write(body)
		}
	}
	for _, do := range []func(*story, context.Context) (string, error){
		(*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode, (*story).tryWrongCode,
	} {
		_, err := do(s, ctx)
		must(t, err)
	}
	secrets["link token"], secrets["code"] = s.link[strings.LastIndex(s.link, "/")+1:], s.code
	// Mistakes of contacts and scripts.
	say(http.MethodGet, s.link, nil)
	say(http.MethodPost, s.link+"/code", nil)
	say(http.MethodPost, s.link+"/claim", url.Values{"code": {s.code + "9"}})
	say(http.MethodPost, s.link+"/claim", url.Values{"code": {s.code}, "target": {"floppy"}})
	say(http.MethodPost, s.link+"/claim", url.Values{"code": {s.code}, "csr": {"-----BEGIN " + s.code}})
	say(http.MethodPut, s.link+"/claim", nil)
	say(http.MethodPost, s.link+"/nothing", nil)
	secrets["credentials"] = secrets["link token"] + ":" + s.code
	for _, body := range []string{"", "rubbish", "AAAA"} {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, cfg.MTLS.URL+"/.well-known/est/simpleenroll", strings.NewReader(body))
		must(t, err)
		r.Header.Set("Content-Type", "application/pkcs10")
		r.SetBasicAuth(secrets["link token"], s.code)
		answer, err := s.client.Do(r)
		must(t, err)
		must(t, answer.Write(&answers))
		must(t, answer.Body.Close())
	}
	for _, do := range []func(*story, context.Context) (string, error){(*story).download, (*story).readPassword, (*story).openFile, (*story).callService} {
		_, err := do(s, ctx)
		must(t, err)
	}
	secrets["password"], secrets["PKCS#12 file"] = s.password, string(s.file)
	say(http.MethodPost, s.link+"/claim", url.Values{"code": {s.code}})
	say(http.MethodGet, s.link, nil)
	_, err = s.revoke(ctx)
	must(t, err)

	// What staff see.
	for _, path := range []string{
		"/organizations", "/contacts", "/services", "/orders", "/orders/" + s.order, "/certificates", "/certificates/" + string(s.serial), "/messages", "/tokens", "/audit",
		"/reports/daily?date=" + time.Now().UTC().Format(time.DateOnly), "/reports/monthly?month=" + time.Now().UTC().Format("2006-01"),
		"/orders?state=nowhere", "/nothing", "/openapi.json",
	} {
		say(http.MethodGet, cfg.Admin.URL+"/api/v1"+path, nil)
	}
	for _, path := range []string{"/", "/metrics", "/readyz", "/healthz"} {
		say(http.MethodGet, cfg.Admin.URL+path, nil)
	}
	say(http.MethodPost, cfg.Admin.URL+"/api/v1/tokens", nil)
	stop()
	must(t, <-served)
	must(t, h.close())

	places := map[string]string{"the log": logged.String(), "an answer": answers.String(), "the effective configuration": string(cfg.Effective())}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == passphraseFile || d.Name() == tokenFile || d.Name() == "seal.key" {
			return err // those are where these secrets belong
		}
		data, err := os.ReadFile(path)
		places["the file "+d.Name()] = string(data)
		return err
	}))
	if !strings.Contains(places["the log"], "route=/c/{token}/claim") || !strings.Contains(places["the log"], "est/simpleenroll") || len(places["the file "+databaseFile]) == 0 {
		t.Fatal("the test looks at the wrong places")
	}
	for name, secret := range secrets {
		for where, text := range places {
			for _, form := range []string{secret, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret))} {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("the %s is in %s: …%.100q…", name, where, text[max(0, i-60):min(len(text), i+60)])
					break
				}
			}
		}
	}
}

// TestNothingOfAKeyIsLeftAfterTheClaimWindow looks for the sealed file and
// password in the database file itself, free pages included.
func TestNothingOfAKeyIsLeftAfterTheClaimWindow(t *testing.T) {
	t.Parallel()
	cfg, err := demoConfig(demoDir(t))
	must(t, err)
	var late time.Duration
	var mu sync.Mutex
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(late)
	}
	h, err := open(t.Context(), cfg, newLog(config.Log{Level: "error"}, io.Discard), now)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- h.run(ctx, func() { close(ready) }) }()
	<-ready
	s, err := newStory(ctx, h, demoOptions{data: cfg.Data, out: io.Discard, log: io.Discard})
	must(t, err)
	for _, do := range []func(*story, context.Context) (string, error){
		(*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode, (*story).download, (*story).readPassword,
	} {
		_, err := do(s, ctx)
		must(t, err)
	}
	must(t, s.await(ctx, func() error { return s.wantState(ctx, issuance.CompletedState) }))
	pieces := sealedSecrets(t, h, s.order)
	if len(pieces) < 2 {
		t.Fatalf("found %d sealed secrets of the order before the end of the claim window, want file and password", len(pieces))
	}
	mu.Lock()
	late = cfg.Policy().ClaimWindow + time.Second
	mu.Unlock()
	must(t, h.registrar.Sweep(ctx))
	must(t, h.store.Scrub(ctx))
	stop()
	must(t, <-served)
	must(t, h.close())
	data, err := os.ReadFile(filepath.Join(cfg.Data, databaseFile))
	must(t, err)
	for name, sealed := range pieces {
		for at := 0; at+32 <= len(sealed); at += 32 {
			if bytes.Contains(data, sealed[at:at+32]) {
				t.Errorf("a piece of the sealed %s is still in the database file", name)
				break
			}
		}
	}
}

func (s *story) wantState(ctx context.Context, want issuance.OrderState) error {
	var o struct{ State string }
	if err := s.api(ctx, http.MethodGet, "/orders/"+s.order, nil, &o); err != nil {
		return err
	}
	if o.State != string(want) {
		return io.ErrNoProgress
	}
	return nil
}

// sealedSecrets returns what the database has of order's secrets, as it lies there.
func sealedSecrets(t *testing.T, h *house, order string) map[string][]byte {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(copied)
	must(t, err)
	must(t, h.store.Snapshot(t.Context(), f))
	must(t, f.Close())
	db, err := bbolt.Open(copied, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	defer db.Close()
	out := make(map[string][]byte)
	must(t, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("secrets")).ForEach(func(k, v []byte) error {
			if bytes.Contains(k, []byte(order)) {
				out[string(k)] = bytes.Clone(v)
			}
			return nil
		})
	}))
	return out
}
