package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// TestARevocationIsInTheFileOfAWebServer runs crl-sync beside a real server, from
// the environment, and measures the way from a revocation to the reload command.
func TestARevocationIsInTheFileOfAWebServer(t *testing.T) {
	t.Parallel()
	s := newHouseStory(t)
	s.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode, (*story).download, (*story).readPassword, (*story).openFile)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(file("root.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.h.authority.Root().Raw}), 0o600))
	run := func(ctx context.Context, complaints io.Writer, more ...string) int {
		return cli.Run(ctx, cli.Options{
			Args: append([]string{"crl-sync", "--ca", file("root.pem")}, more...), Out: io.Discard, Err: complaints,
			Environ: []string{"PATH=" + os.Getenv("PATH"), "POSTERN_CRL_SYNC_URL=" + s.h.cfg.Plain.URL + "/pki/crl-bundle.pem", "POSTERN_CRL_SYNC_OUT=" + file("crl-bundle.pem")},
		})
	}
	for _, once := range []struct {
		status int
		says   string
		more   []string
	}{
		{cli.StatusDone, "", []string{"--once"}},
		{cli.StatusFailed, "expires in", []string{"--once", "--warn-before", "25h"}},
		{cli.StatusFailed, "was not refreshed", []string{"--once", "--url", "http://127.0.0.1:1/crl-bundle.pem"}},
		{cli.StatusFailed, "the server was not told", []string{"--once", "--out", file("other.pem"), "--reload", "false"}},
		{cli.StatusUsage, "--url: is not an address", []string{"--once", "--url", "pki.example.com"}},
		{cli.StatusUsage, "--warn-before", []string{"--once", "--warn-before", "soon"}},
		{cli.StatusUsage, "--log-level", []string{"--log-level", "loud"}},
	} {
		var said bytes.Buffer
		if got := run(t.Context(), &said, once.more...); got != once.status || !strings.Contains(said.String(), once.says) {
			t.Errorf("%v: status %d, want %d and %q: %s", once.more, got, once.status, once.says, &said)
		}
	}

	log := new(lockedBuffer)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, log, "--metrics", "127.0.0.1:0", "--reload", "cp "+file("crl-bundle.pem")+" "+file("loading")+" && mv "+file("loading")+" "+file("loaded"))
	}()
	var address []string
	eventually(t, "the metrics", func() bool {
		address = regexp.MustCompile(`serving metrics.* address=(\S+)`).FindStringSubmatch(log.String())
		return address != nil
	})
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP)) // ends this process unless crl-sync minds it
	eventually(t, "word of the signal", func() bool { return strings.Contains(log.String(), "SIGHUP: there is nothing to reload") })
	if lists(t, file("crl-bundle.pem"), string(s.serial)) {
		t.Fatal("the certificate is in the file before it is revoked")
	}
	s.steps(t, (*story).revoke)
	began := time.Now()
	eventually(t, "the revocation in the file", func() bool { return lists(t, file("crl-bundle.pem"), string(s.serial)) })
	inFile := time.Since(began)
	eventually(t, "the reload", func() bool { return lists(t, file("loaded"), string(s.serial)) })
	t.Logf("from the answer to revoke: %v to the file, %v to the reload", inFile.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))

	for _, want := range []string{"postern_crl_sync_seconds_left 8", "postern_crl_sync_crl_number{issuer=", `postern_crl_sync_reloads_total{result="done"} 1`, "postern_crl_sync_reload_owed 0", "postern_crl_sync_last_success_timestamp_seconds 1"} {
		eventually(t, want, func() bool { return strings.Contains(fetched(t, "http://"+address[1]+"/metrics"), want) })
	}
	stop()
	if status := <-ended; status != cli.StatusDone {
		t.Errorf("it ended with status %d: %s", status, log)
	}
}

// fetched returns what is at an address.
func fetched(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get(address)
	must(t, err)
	text, err := io.ReadAll(answer.Body)
	must(t, errors.Join(err, answer.Body.Close()))
	return string(text)
}

// lists reports whether a file of CRLs has a serial number; false if there is no file.
func lists(t *testing.T, path, serial string) bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return false
	}
	must(t, err)
	want, ok := new(big.Int).SetString(serial, 16)
	if !ok {
		t.Fatalf("%q is no serial number", serial)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		list, err := x509.ParseRevocationList(block.Bytes)
		must(t, err)
		for _, e := range list.RevokedCertificateEntries {
			if e.SerialNumber.Cmp(want) == 0 {
				return true
			}
		}
	}
	return false
}

// eventually waits for what must come.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s has not come in %v", what, patience)
		}
	}
}
