package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// TestTenThousandScannersChangeNothing opens a link as mail scanners and previews
// do: 10,000 GET, HEAD and OPTIONS of every address that a link leads to, and a
// browser that runs the pages' scripts.
func TestTenThousandScannersChangeNothing(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	printed := startQuickstart(t, dir)
	q := readQuickstart(t, printed)
	q.approve(t)
	link := q.link(t)
	q.settled(t)
	before, sent := q.order(t), len(q.outbox(t))

	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	client.Transport = &http.Transport{MaxIdleConnsPerHost: 32}
	paths := []string{link, link + "/code", link + "/claim", q.contacts + "/claim", q.contacts + "/claim/code", q.contacts + "/claim/verify", q.contacts + "/claim/download", q.contacts + "/claim/status"}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodOptions}
	cookie := "postern-link=" + link[len(q.contacts+"/c/"):]
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			for i := worker; i < 10_000; i += 16 {
				r, err := http.NewRequest(methods[i%3], paths[i/3%len(paths)], nil)
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					r.Header.Set("Cookie", cookie+"; __Host-"+cookie)
				}
				answer, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				answer.Body.Close()
				if answer.StatusCode >= 500 {
					t.Errorf("%s %s: %s", r.Method, r.URL.Path, answer.Status)
				}
			}
		})
	}
	all.Wait()
	v := openBrowser(t)
	for range 3 {
		v.do("", chromedp.Navigate(link), chromedp.WaitVisible(`#code`), chromedp.Sleep(2*time.Second))
	}
	if diff := cmp.Diff(before, q.order(t)); diff != "" {
		t.Errorf("the order has changed (-before +after):\n%s", diff)
	}
	if n := len(q.outbox(t)); n != sent {
		t.Errorf("%d messages were sent by it", n-sent)
	}
	// The link still does what it is for.
	v.do("", chromedp.SetValue(`#code`, q.code(t)), chromedp.Submit(`#verify`), chromedp.WaitVisible(`input[value="java"]`))
	if got := fmt.Sprint(q.order(t)["state"]); got != string(issuance.VerifiedState) {
		t.Errorf("after the right code the order is %s", got)
	}
}
