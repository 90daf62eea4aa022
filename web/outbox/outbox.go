package outbox

import (
	"embed"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
	"github.com/postern-ca/postern/web/server"
)

//go:embed templates text assets
var own embed.FS

// Message is one mail or SMS.
type Message struct {
	At      time.Time        `json:"at"`
	Channel issuance.Channel `json:"channel"`
	To      string           `json:"to"`
	Subject string           `json:"subject"` // of a mail
	Text    string           `json:"text"`
	HTML    string           `json:"-"` // of a mail that has it
}

// Options says what the page shows; all fields must be set.
type Options struct {
	Messages func() []Message // as they came
	Site     *page.Site
	Log      *slog.Logger
}

// New returns the handler of /outbox, /outbox.json and /outbox/{n}.html, with the
// page's assets.
func New(o Options) (http.Handler, error) {
	if o.Messages == nil || o.Site == nil || o.Log == nil {
		return nil, errors.New("outbox: all options are needed")
	}
	pages, err := o.Site.Pages(own)
	if err != nil {
		return nil, err
	}
	b := &box{Options: o, pages: pages, problems: server.Problems{Log: o.Log}, link: linkPattern(), code: codePattern()}
	router := mux.NewRouter().SkipClean(true)
	router.Use(server.Routes)
	router.HandleFunc("/outbox", b.page).Methods(http.MethodGet, http.MethodHead)
	router.HandleFunc("/outbox.json", b.json).Methods(http.MethodGet, http.MethodHead)
	router.HandleFunc("/outbox/{n:[0-9]+}.html", b.html).Methods(http.MethodGet, http.MethodHead)
	router.Handle("/assets/{name}", o.Site.Assets()).Methods(http.MethodGet, http.MethodHead)
	router.NotFoundHandler = http.HandlerFunc(b.notFound)
	router.MethodNotAllowedHandler = server.NotAllowed(router, false, b.problems.Write)
	return page.Headers(b.local(router)), nil
}

type box struct {
	Options
	pages      *page.Pages
	problems   server.Problems
	link, code *regexp.Regexp
}

// linkPattern matches addresses of web pages.
func linkPattern() *regexp.Regexp { return regexp.MustCompile(`https?://[^\s<>"]+`) }

// codePattern matches what has to be typed elsewhere: a code of eight digits, or a
// password of six groups of four.
func codePattern() *regexp.Regexp {
	return regexp.MustCompile(`\b\d{8}\b|\b(?:[0-9A-Za-z]{4}[- ]){5}[0-9A-Za-z]{4}\b`)
}

// local refuses requests whose host name is not this computer's own: a foreign page
// whose name was pointed here (DNS rebinding) must not read codes.
func (b *box) local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !server.IsLoopbackHost(r.Host) {
			b.problems.Write(w, r, &issuance.Error{
				Kind: issuance.Invalid, Code: server.CodeHost, Message: "the outbox is shown only on this computer",
				Hint: "open it as http://127.0.0.1 or http://localhost, with its port",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// numbered is a message with its position in the list, which is part of its address.
type numbered struct {
	Message
	n int
}

// newest returns the messages, the last one first.
func (b *box) newest() []numbered {
	messages := []numbered{}
	for n, m := range b.Messages() {
		messages = append(messages, numbered{m, n})
	}
	slices.Reverse(messages) // of the same moment, the one kept last comes first
	slices.SortStableFunc(messages, func(x, y numbered) int { return y.At.Compare(x.At) })
	return messages
}

// html shows a mail as its reader sees it. It may use its own styles, but no scripts and
// nothing from other hosts.
func (b *box) html(w http.ResponseWriter, r *http.Request) {
	messages := b.Messages()
	n, err := strconv.Atoi(mux.Vars(r)["n"])
	if err != nil || n >= len(messages) || messages[n].HTML == "" {
		b.notFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy",
		"sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(messages[n].HTML)) // the client may be gone
}

func (b *box) json(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(struct {
		Items []numbered `json:"items"`
	}{b.newest()})
	if err != nil {
		b.problems.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}

func (b *box) notFound(w http.ResponseWriter, r *http.Request) {
	b.problems.Write(w, r, &issuance.Error{
		Kind: issuance.NotFound, Code: server.CodePath, Message: "there is nothing at this address",
		Hint: "the messages are at /outbox",
	})
}
