// Package twiliotest is Twilio's Messages resource (API version 2010-04-01) on a
// loopback port, for tests: it behaves as the public specification says, records
// what it is asked, and has faults on demand. It sends nothing to anybody.
package twiliotest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// The account of every Server, and its number.
const (
	AccountSID = "AC0123456789abcdef0123456789abcdef"
	AuthToken  = "fedcba9876543210fedcba9876543210"
	// APIKey and APIKeySecret are a key of the account, for messages alone.
	APIKey       = "SK0123456789abcdef0123456789abcdef"
	APIKeySecret = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
	From         = "+15005550006"
	// Invalid is a number that is refused with 400 and 21211, as by Twilio's test credentials.
	Invalid = "+15005550001"
)

// Fault is how one request is answered. The zero value answers as it should.
type Fault struct {
	Status int           // of the answer; 0: as it should be
	Code   int           // of Twilio's dictionary of errors
	Text   string        // "message" of the answer
	Raw    string        // HTML instead of Twilio's JSON
	JSON   string        // another JSON instead of Twilio's
	Server string        // the header
	Retry  time.Duration // Retry-After
	// Accept takes the message first, whatever is answered: the client cannot know.
	Accept bool
	Hang   bool // no answer until the client goes away
	Cut    bool // the connection is closed without an answer
}

// InvalidNumber, Unauthenticated, TooMany, Internal and BadGateway are the
// faults of the specification.
func InvalidNumber() Fault   { return Fault{Status: 400, Code: 21211, Text: "Invalid 'To' Phone Number"} }
func Unauthenticated() Fault { return Fault{Status: 401, Code: 20003, Text: "Authenticate"} }
func TooMany() Fault {
	return Fault{Status: 429, Code: 20429, Text: "Too Many Requests", Retry: 7 * time.Second}
}

func Internal() Fault {
	return Fault{Status: 500, Code: 20500, Text: "An internal server error has occurred"}
}

func BadGateway() Fault {
	return Fault{Status: 502, Raw: "<html><body><h1>502 Bad Gateway</h1></body></html>"}
}

// LostAnswer and CutAnswer accept the message, and the client never hears of it.
func LostAnswer() Fault { return Fault{Accept: true, Hang: true} }
func CutAnswer() Fault  { return Fault{Accept: true, Cut: true} }

// Message is a message that was accepted.
type Message struct {
	SID, To, From, Body string
	ValidityPeriod      time.Duration
}

// Request is a request as it came.
type Request struct {
	Method, Path, User, UserAgent string
	Body                          string // as on the wire
	Form                          url.Values
}

// Server is the fake. Its methods may be called at any time.
type Server struct {
	URL string

	mu       sync.Mutex
	faults   []Fault
	always   *Fault
	requests []Request
	messages []Message
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := new(Server)
	h := httptest.NewServer(s)
	tb.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	s.URL = h.URL
	return s
}

// Script has the next requests answered by faults, one each, in order.
func (s *Server) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Always has every request that is not scripted answered by f; the zero Fault ends that.
func (s *Server) Always(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = &f
}

// Requests returns every request so far, the first one first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Messages returns the accepted messages, the first one first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// ServeHTTP answers POST /2010-04-01/Accounts/{sid}/Messages.json, and GET for a
// day before there were messages.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the client went away
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	form, _ := url.ParseQuery(string(raw))
	user, password, _ := r.BasicAuth()
	f := s.note(Request{Method: r.Method, Path: r.URL.Path, User: user, UserAgent: r.UserAgent(), Body: string(raw), Form: form})
	if f.Status == 0 {
		f = check(f, r, user, password, form)
	}
	var sid string
	if (f.Status == http.StatusCreated || f.Accept) && r.Method == http.MethodPost {
		sid = s.accept(form)
	}
	switch {
	case f.Hang:
		<-r.Context().Done()
	case f.Cut:
		panic(http.ErrAbortHandler)
	default:
		answer(w, f, sid, form)
	}
}

// note records q and returns the fault that it meets.
func (s *Server) note(q Request) (f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, q)
	switch {
	case len(s.faults) > 0:
		f, s.faults = s.faults[0], s.faults[1:]
	case s.always != nil:
		f = *s.always
	}
	return f
}

// check gives f the status that the request deserves.
func check(f Fault, r *http.Request, user, password string, form url.Values) Fault {
	number := regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)
	refuse := func(status, code int, text string) Fault { return Fault{Status: status, Code: code, Text: text} }
	switch {
	case (user != AccountSID || password != AuthToken) && (user != APIKey || password != APIKeySecret):
		return Unauthenticated()
	case r.URL.Path != "/2010-04-01/Accounts/"+AccountSID+"/Messages.json":
		return refuse(404, 20404, "The requested resource "+r.URL.Path+" was not found")
	case r.Method == http.MethodGet && r.URL.Query().Get("DateSent") == "2000-01-01":
		return Fault{Status: 200, JSON: `{"messages": [], "page": 0, "page_size": 1}`}
	case r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		return refuse(405, 20004, "Method not allowed")
	case form.Get("To") == "":
		return refuse(400, 21604, "A 'To' phone number is required.")
	case form.Get("From") == "" && form.Get("MessagingServiceSid") == "":
		return refuse(400, 21603, "A 'From' phone number is required.")
	case form.Get("Body") == "":
		return refuse(400, 21602, "Message body is required.")
	case len([]rune(form.Get("Body"))) > 1600:
		return refuse(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
	case form.Get("To") == Invalid || !number.MatchString(form.Get("To")):
		return refuse(400, 21211, "The 'To' number "+form.Get("To")+" is not a valid phone number.")
	}
	f.Status = http.StatusCreated
	return f
}

// accept records the message of form and returns its SID.
func (s *Server) accept(form url.Values) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sha256.Sum256(fmt.Append(nil, len(s.messages), form.Encode()))
	m := Message{SID: "SM" + hex.EncodeToString(sum[:16]), To: form.Get("To"), From: form.Get("From"), Body: form.Get("Body")}
	if seconds, err := strconv.Atoi(form.Get("ValidityPeriod")); err == nil {
		m.ValidityPeriod = time.Duration(seconds) * time.Second
	}
	s.messages = append(s.messages, m)
	return m.SID
}

// answer writes what the specification shows for a created message, or an error.
func answer(w http.ResponseWriter, f Fault, sid string, form url.Values) {
	if f.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.Retry/time.Second)))
	}
	if f.Server != "" {
		w.Header().Set("Server", f.Server)
	}
	for contentType, body := range map[string]string{"text/html": f.Raw, "application/json": f.JSON} {
		if body != "" {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(f.Status)
			_, _ = io.WriteString(w, body)
			return
		}
	}
	body := map[string]any{
		"code": f.Code, "message": f.Text, "status": f.Status,
		"more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(f.Code),
	}
	if f.Status == http.StatusCreated {
		now := time.Now().UTC().Format(time.RFC1123Z)
		uri := "/2010-04-01/Accounts/" + AccountSID + "/Messages/" + sid
		body = map[string]any{
			"account_sid": AccountSID, "api_version": "2010-04-01", "body": form.Get("Body"), "date_created": now, "date_sent": nil,
			"date_updated": now, "direction": "outbound-api", "error_code": nil, "error_message": nil, "from": form.Get("From"),
			"messaging_service_sid": nil, "num_media": "0", "num_segments": "1", "price": nil, "price_unit": "USD", "sid": sid,
			"status": "queued", "subresource_uris": map[string]string{"media": uri + "/Media.json"}, "to": form.Get("To"),
			"uri": uri + ".json",
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(body)
}
