package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// cut is where a fake breaks an answer off.
type cut int

const (
	whole      cut = iota
	noAnswer       // before the header
	noBody         // after the header
	halfBody       // in the body
	lastOctet      // all but the last
	busy           // answered, with a time to come again
	definitive     // answered, for good
)

const p12 = "the whole file, every octet of it"

// contactSite answers claims one after the other as cuts say.
func contactSite(t *testing.T, cuts ...cut) (l *link, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, _ := r.Cookie("postern-session")
		mu.Lock()
		seen = append(seen, fmt.Sprintf("%s code=%q session=%v", r.URL.Path, r.PostFormValue("code"), cookie != nil))
		how := cuts[min(len(seen), len(cuts))-1]
		mu.Unlock()
		if how == noAnswer {
			panic(http.ErrAbortHandler)
		}
		http.SetCookie(w, &http.Cookie{Name: "postern-session", Value: "s", Path: "/", Secure: true})
		switch how {
		case busy, definitive:
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "7")
			code := map[cut]string{busy: "busy", definitive: "link"}[how]
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(w, `{"detail":"refused","code":%q}`, code)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(p12)))
		w.Header().Set("Content-Disposition", `attachment; filename="payments.p12"`)
		n := map[cut]int{noBody: 0, halfBody: len(p12) / 2, lastOctet: len(p12) - 1, whole: len(p12)}[how]
		io.WriteString(w, p12[:n])
		if how != whole {
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	s.Config.ErrorLog = nil
	t.Cleanup(s.Close)
	l, err := newLink(s.URL+"/c/"+aToken, Options{}.transport(nil))
	if err != nil {
		t.Fatal(err)
	}
	l.second = 0
	return l, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

func claimInto(t *testing.T, l *link) (*files, received, error) {
	t.Helper()
	f, err := prepare(claimRequest{out: filepath.Join(t.TempDir(), "out.p12")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.claim(t.Context(), map[string]string{"code": "12345678", "target": "java"}, f, func(string, ...any) {})
	return f, got, err
}

func TestABrokenTransferHeals(t *testing.T) {
	const first, next = `/c/` + aToken + `/claim code="12345678" session=false`, `/c/` + aToken + `/claim code="" session=true`
	for _, tt := range []struct {
		name string
		cuts []cut
		want []string
	}{
		{"whole", []cut{whole}, []string{first}},
		{"no answer", []cut{noAnswer, whole}, []string{first, first}},
		{"after the header", []cut{noBody, whole}, []string{first, next}},
		{"in the body", []cut{halfBody, whole}, []string{first, next}},
		{"at the last octet", []cut{lastOctet, whole}, []string{first, next}},
		{"again and again", []cut{halfBody, lastOctet, noAnswer, halfBody, noBody, whole}, []string{first, next, next, next, next, next}},
		{"busy", []cut{busy, whole}, []string{first, next}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, asked := contactSite(t, tt.cuts...)
			f, got, err := claimInto(t, l)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, asked()); d != "" {
				t.Error(d)
			}
			name, err := f.save(got.name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(name)
			if err != nil || string(text) != p12 {
				t.Errorf("got %q, %v", text, err)
			}
			if err := f.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatDoesNotHeal(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cuts  []cut
		tries int
		maybe bool // the server may have made a certificate
	}{
		{"never", []cut{noAnswer}, claimTries, true},
		{"always cut", []cut{halfBody}, claimTries, true},
		{"refused", []cut{definitive}, 1, false},
		{"refused after a break", []cut{halfBody, definitive}, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, asked := contactSite(t, tt.cuts...)
			f, _, err := claimInto(t, l)
			if err == nil || len(asked()) != tt.tries || f.asked != tt.maybe {
				t.Errorf("got %v after %d tries, asked %v; want %d tries, %v", err, len(asked()), f.asked, tt.tries, tt.maybe)
			}
			if strings.Contains(err.Error(), "token") {
				t.Errorf("the error has the link in it: %v", err)
			}
			if err := f.close(); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(f.dir); len(left) > 0 {
				t.Errorf("%v is left behind", left)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	l, asked := contactSite(t, halfBody)
	f, err := prepare(claimRequest{out: filepath.Join(t.TempDir(), "out.p12")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err = l.claim(ctx, map[string]string{"code": "12345678"}, f, func(string, ...any) { stop() })
	if !errors.Is(err, context.Canceled) || len(asked()) != 1 {
		t.Errorf("got %v after %d tries", err, len(asked()))
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}

func TestPausesGrow(t *testing.T) {
	var got []int
	for try := 1; try < claimTries; try++ {
		seconds, again := worth(brokenError{errors.New("cut")}, try)
		if !again {
			t.Errorf("try %d: no other", try)
		}
		got = append(got, seconds)
	}
	if want := []int{0, 1, 2, 4, 8}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if seconds, again := worth(&issuance.Error{Code: issuance.CodeBusy, Retry: 7e9}, 1); seconds != 7 || !again {
		t.Errorf("busy: got %d, %v", seconds, again)
	}
}

func TestKeyStaysIfItMayBeCertified(t *testing.T) {
	for _, maybe := range []bool{true, false} {
		key := filepath.Join(t.TempDir(), "client.key")
		q := claimRequest{newKey: key}
		f, err := prepare(q)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.makeRequest(q); err != nil {
			t.Fatal(err)
		}
		f.asked = maybe
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(key); (err == nil) != maybe {
			t.Errorf("may be certified: %v; key: %v", maybe, err)
		}
	}
}

func TestHarmlessNames(t *testing.T) {
	for name, want := range map[string]string{
		"payments.p12": "payments.p12", "": "certificate.p12", "../../etc/passwd": "certificate.p12", ".bashrc": "certificate.p12", "-rf": "certificate.p12",
		"/etc/passwd": "certificate.p12", "a b.p12": "certificate.p12", "a\u202e.p12": "certificate.p12", "a\x00.p12": "certificate.p12", `a\b`: "certificate.p12",
		strings.Repeat("x", 101): "certificate.p12", "con:": "certificate.p12",
	} {
		if got := harmless(name, false); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := harmless("", true); got != "certificate.pem" {
		t.Errorf("a chain: got %q", got)
	}
}
