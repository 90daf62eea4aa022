package outbox

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

func at(minute int) time.Time { return time.Date(2026, 11, 21, 12, minute, 0, 0, time.UTC) }

func messages() []Message {
	return []Message{
		{At: at(0).AddDate(0, 0, -1), Channel: issuance.Mail, To: "old@acme.example", Subject: "Yesterday", Text: "old"},
		{At: at(1), Channel: issuance.Mail, To: "ada@acme.example", Subject: "Your <certificate>", Text: "Open http://127.0.0.1:8443/c/AbC-_1?x=1&y=2.\nThen <b>wait</b>.", HTML: "<p>no</p>"},
		{At: at(2), Channel: issuance.SMS, To: "+41791234567", Text: "Postern code: 12345678\n@127.0.0.1 #12345678"},
		{At: at(3), Channel: issuance.SMS, To: "+41791234567", Text: "Password: ABCD-EFGH-JKLM-NPQR-STUV-WXYZ"},
	}
}

func open(t *testing.T, list func() []Message) http.Handler {
	t.Helper()
	site, err := page.New(page.Brand{}, "")
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Messages: list, Site: site, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, path, host string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestThePageHasTheNewestFirst(t *testing.T) {
	w := get(open(t, messages), "/outbox", "127.0.0.1:9443")
	body := w.Body.String()
	last := -1
	for _, want := range []string{
		"2026-11-21", "ABCD-EFGH-JKLM-NPQR-STUV-WXYZ", "12345678", "Your &lt;certificate&gt;",
		`<a href="http://127.0.0.1:8443/c/AbC-_1?x=1&amp;y=2">http://127.0.0.1:8443/c/AbC-_1?x=1&amp;y=2</a>.`, "&lt;b&gt;wait&lt;/b&gt;", "2026-11-20", "Yesterday",
	} {
		at := strings.Index(body, want)
		if at <= last {
			t.Errorf("%q stands at %d, what should stand before it at %d", want, at, last)
		}
		last = at
	}
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if got := strings.Count(body, `data-copy="12345678"`); got != 1 {
		t.Errorf("the code can be copied in %d places, want one", got)
	}
	if !strings.Contains(body, `data-copy="ABCD-EFGH-JKLM-NPQR-STUV-WXYZ"`) {
		t.Error("the password cannot be copied")
	}
	if !strings.Contains(body, `data-text="New messages appear by themselves."`) {
		t.Error("the words for JavaScript are not as they are written")
	}
	if strings.Contains(body, "<script>") || strings.Contains(body, "style=") {
		t.Error("the page has scripts or styles that its policy refuses")
	}
}

func TestScriptsReadTheSame(t *testing.T) {
	w := get(open(t, messages), "/outbox.json", "localhost:1")
	var got struct{ Items []map[string]string }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Items) != 4 {
		t.Fatalf("got %v", got)
	}
	want := map[string]string{"at": "2026-11-21T12:03:00Z", "channel": "sms", "to": "+41791234567", "subject": "", "text": "Password: ABCD-EFGH-JKLM-NPQR-STUV-WXYZ"}
	if diff := cmp.Diff(want, got.Items[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if w := get(open(t, func() []Message { return nil }), "/outbox.json", "localhost"); w.Body.String() != `{"items":[]}`+"\n" {
		t.Errorf("of nothing: %s", w.Body)
	}
}

// TestStrangersAreRefused: a page of another name that leads to this computer
// (DNS rebinding) must not read codes.
func TestStrangersAreRefused(t *testing.T) {
	h := open(t, messages)
	for _, path := range []string{"/outbox", "/outbox.json", "/outbox/1.html"} {
		for host, want := range map[string]int{
			"127.0.0.1": 200, "localhost:8080": 200, "[::1]:80": 200, "127.9.9.9": 200,
			"evil.example": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "192.168.1.2": 421, "": 421,
		} {
			w := get(h, path, host)
			if w.Code != want || want != 200 && strings.Contains(w.Body.String(), "12345678") {
				t.Errorf("%s as %q: %d, want %d", path, host, w.Code, want)
			}
		}
	}
}

func TestAMailAsItsReaderSeesIt(t *testing.T) {
	h := open(t, messages)
	if w := get(h, "/outbox", "localhost"); strings.Count(w.Body.String(), `href="/outbox/1.html"`) != 1 || strings.Count(w.Body.String(), ".html\"") != 1 {
		t.Errorf("the page links to other mails than the one in HTML: %s", w.Body)
	}
	w := get(h, "/outbox/1.html", "localhost")
	policy := w.Header().Get("Content-Security-Policy")
	if w.Code != http.StatusOK || w.Body.String() != "<p>no</p>" || !strings.HasPrefix(policy, "sandbox") || strings.Contains(policy, "script") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for _, n := range []string{"0", "2", "99", "99999999999999999999", "-1", "x"} {
		if w := get(h, "/outbox/"+n+".html", "localhost"); w.Code != http.StatusNotFound {
			t.Errorf("mail %s: %d", n, w.Code)
		}
	}
}

func TestTheEmptyPageSaysWhatToDo(t *testing.T) {
	w := get(open(t, func() []Message { return nil }), "/outbox", "localhost")
	if !strings.Contains(w.Body.String(), "Approve an order") {
		t.Errorf("%s", w.Body)
	}
	for path, want := range map[string]int{"/assets/outbox.js": 200, "/assets/outbox.css": 200, "/outbox/x": 404} {
		if w := get(open(t, messages), path, "localhost"); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/outbox", nil)
	r.Host = "localhost"
	post := httptest.NewRecorder()
	open(t, messages).ServeHTTP(post, r)
	if post.Code != http.StatusMethodNotAllowed || post.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", post.Code)
	}
}

func TestParts(t *testing.T) {
	b := box{link: linkPattern()}
	for text, want := range map[string][]string{
		"":                                  {""},
		"no link":                           {"no link"},
		"https://a.example":                 {"", "https://a.example", ""},
		"see (http://a.example/b), please.": {"see (", "http://a.example/b", "), please."},
		"a http://b.example\nhttps://c.example/\"x": {"a ", "http://b.example", "\n", "https://c.example/", "\"x"},
		"javascript:alert(1)":                       {"javascript:alert(1)"},
	} {
		var got []string
		for i, p := range b.parts(text) {
			got = append(got, p.Text)
			if p.Link != (i%2 == 1) {
				t.Errorf("%q: part %d is a link: %v", text, i, p.Link)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
