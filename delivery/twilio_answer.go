package delivery

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// twilioTransport carries one request of the library, which takes no context,
// loses the status and headers of answers that are not JSON, and leaves bodies open.
type twilioTransport struct {
	ctx  context.Context
	base *url.URL
	next http.RoundTripper
	now  func() time.Time

	err    error // nothing came back
	status int
	header http.Header
	body   []byte
}

func (t *Twilio) transport(ctx context.Context) *twilioTransport {
	return &twilioTransport{ctx: ctx, base: t.base, next: t.config.Transport, now: t.config.Now}
}

// answerLimit is the most bytes of a provider's answer that are read.
const answerLimit = 64 << 10

func (t *twilioTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(t.ctx)
	r.URL.Scheme, r.URL.Host, r.Host = t.base.Scheme, t.base.Host, t.base.Host
	r.URL.Path = strings.TrimSuffix(t.base.Path, "/") + r.URL.Path
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		t.body, err = io.ReadAll(io.LimitReader(resp.Body, answerLimit))
		resp.Body.Close()
	}
	if err != nil {
		t.err = err
		return nil, err
	}
	t.status, t.header = resp.StatusCode, resp.Header
	resp.Body = io.NopCloser(bytes.NewReader(t.body))
	return resp, nil
}

// twilioError is what Twilio says of a request that it refuses.
type twilioError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// firstCode is the lowest code of Twilio's dictionary of errors. Another API's
// "code" repeats the status or is a word.
const firstCode = 10000

// fault returns what came back instead of success, nil if that was it; asked is
// what Twilio was asked to take.
func (t *twilioTransport) fault(m Message, asked string) error {
	if t.status == 0 {
		return reaching("Twilio", "sms.twilio.ca", t.err)
	}
	var answer twilioError
	read := json.Unmarshal(t.body, &answer)
	switch {
	case t.status == http.StatusCreated, t.status/100 == 2 && read == nil:
		return nil
	case read != nil || answer.Code < firstCode:
		return t.foreign(m, asked)
	}
	return t.refusal(m, asked, answer)
}

// refusal says what Twilio's own answer means. The HTTP status decides; codes
// only tell the faults of the account from those of the recipient.
func (t *twilioTransport) refusal(m Message, asked string, answer twilioError) *SendError {
	e := &SendError{RetryAfter: retryAfter(t.header, t.now())}
	advice := twilioAdvice(answer.Code)
	switch {
	case passes(t.status):
		advice = "it will be sent again unchanged"
	case t.status == http.StatusUnauthorized, twilioAccountFault(answer.Code):
		e.Pause = true
	case t.status < 400 || t.status == http.StatusNotFound || t.status == http.StatusMethodNotAllowed:
		e.Pause, advice = true, "check sms.twilio.account_sid and sms.twilio.base_url"
	default:
		e.Permanent = true
	}
	e.Message = "Twilio refused " + asked + " (status " + strconv.Itoa(t.status) + ", code " +
		strconv.Itoa(answer.Code) + "): " + m.quote(answer.Message)
	if advice != "" {
		e.Message = strings.TrimSuffix(e.Message, ".") + "; " + advice
	}
	return e
}

// foreign is the error of an answer without a code of Twilio's: a proxy, a filter
// or another server wrote it. Of the message it says nothing, so that no message
// fails for good by it; and whatever is sent meets the same until it is fixed.
func (t *twilioTransport) foreign(m Message, asked string) *SendError {
	e := &SendError{Message: "the answer to " + asked + " was not Twilio's (" + t.origin(m) + ")"}
	if passes(t.status) {
		e.RetryAfter = retryAfter(t.header, t.now())
		e.Message += "; it will be sent again unchanged"
		return e
	}
	e.Pause = true
	e.Message += ": something between Postern and " + t.base.Host +
		" sent it, or this is not Twilio; check sms.twilio.base_url, and HTTPS_PROXY in the server's environment"
	return e
}

// origin tells whose an answer was, as far as it tells itself.
func (t *twilioTransport) origin(m Message) string {
	facts := []string{"status " + strconv.Itoa(t.status), cmp.Or(t.header.Get("Content-Type"), "no Content-Type")}
	for _, name := range []string{"Server", "Via"} {
		if v := t.header.Get(name); v != "" {
			facts = append(facts, name+" "+v)
		}
	}
	return m.quote(strings.Join(facts, ", "))
}
