package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// TestCRLSyncBehindAProxyThatGivesUpEarly waits for changes through nginx, which
// ends a wait after two seconds: crl-sync must learn to wait for less, hold the file
// for fresh all the time, and still have a revocation at once.
func TestCRLSyncBehindAProxyThatGivesUpEarly(t *testing.T) {
	t.Parallel()
	f := newFrontier(t)
	f.nginx("log_format waits '$status $upstream_response_time $http_prefer';\n" +
		"server { listen " + f.address + "; access_log " + f.path("access.log") + " waits; location / { proxy_pass " + f.h.cfg.Plain.URL + "; proxy_read_timeout 2s; } }\n")
	log := new(lockedBuffer)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, cli.Options{
			Args: []string{
				"crl-sync", "--url", "http://" + f.address + "/pki/crl-bundle.pem", "--ca", f.path("root.pem"), "--out", f.path("synced.pem"),
				"--metrics", "127.0.0.1:0",
			},
			Out: io.Discard, Err: log, Environ: []string{"PATH=" + os.Getenv("PATH")},
		})
	}()
	defer func() { stop(); <-ended }()
	var metrics []string
	eventually(t, "the metrics", func() bool {
		metrics = regexp.MustCompile(`serving metrics.* address=(\S+)`).FindStringSubmatch(log.String())
		return metrics != nil
	})
	metric := func(name string) string { return metricOf(fetched(t, "http://"+metrics[1]+"/metrics"), name) }

	f.await("a wait that was cut off", func() bool { return f.answered("504") > 0 })
	const success = "postern_crl_sync_last_success_timestamp_seconds"
	cutOff := seconds(t, metric(success))
	f.await("shorter waits", func() bool { return f.answered("304 ", " wait=1") >= 3 })
	if now := seconds(t, metric(success)); now <= cutOff {
		t.Errorf("the last success was at %v when a wait was cut off, and is at %v three waits later", cutOff, now)
	}
	if got := metric(`postern_crl_sync_failures_total{reason="status"}`); got != "" {
		t.Errorf("%s waits that nginx cut off count as failures", got)
	}
	cuts := f.answered("504")
	f.steps(t, (*story).revoke)
	f.await("the revocation in the file", func() bool { return lists(t, f.path("synced.pem"), string(f.serial)) })
	f.await("more waits", func() bool { return f.answered("304 ", " wait=1") >= 6 })
	// On a machine that stands still for a second nginx may cut off a short one, too.
	if after := f.answered("504"); after-cuts > 1 || cuts > 2 {
		t.Errorf("nginx cut off %d waits, then %d more: nothing was learned\n%s", cuts, after-cuts, log)
	}
	if !strings.Contains(log.String(), "a wait for a change was cut off by a proxy") {
		t.Errorf("the log does not tell: %s", log)
	}
}

// answered counts the lines of nginx's access log that begin with status and have
// the rest in them.
func (f *frontier) answered(status string, rest ...string) (n int) {
	f.t.Helper()
	file, err := os.Open(f.path("access.log"))
	if os.IsNotExist(err) {
		return 0
	}
	must(f.t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		ok := strings.HasPrefix(lines.Text(), status)
		for _, part := range rest {
			ok = ok && strings.Contains(lines.Text(), part)
		}
		if ok {
			n++
		}
	}
	return n
}

// metricOf returns the value of a metric in Prometheus' text, "" if it is not there.
func metricOf(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func seconds(t *testing.T, s string) time.Duration {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	must(t, err)
	return time.Duration(f * float64(time.Second))
}
