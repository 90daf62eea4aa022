package delivery

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"
)

// Send makes one request. It returns no id, because gateways have no common field
// for one.
func (w *Webhook) Send(ctx context.Context, m Message) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	resp, err := w.ask(ctx, w.config.Method, []byte(filled(w.config.Body, w.escape, m)),
		http.Header{"Idempotency-Key": {string(m.ID)}})
	if err != nil {
		return "", err
	}
	return "", w.refusal(resp)
}

// Check sends a HEAD request, which changes nothing (RFC 9110, section 9.2.1), with
// the headers of a message, because gateways have no common way to sign in.
func (w *Webhook) Check(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	resp, err := w.ask(ctx, http.MethodHead, nil, nil)
	if err != nil {
		return "", err
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return "", w.refusal(resp)
	}
	return "the SMS gateway is reachable and answered " + strconv.Itoa(resp.StatusCode) +
		" to HEAD; only a test message shows whether it accepts messages", nil
}

// ask makes one request and reads the answer to its end, which lets the
// connection be used again. What gateways write is not shown: many repeat the request.
func (w *Webhook) ask(ctx context.Context, method string, body []byte, more http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.config.URL, bytes.NewReader(body))
	if err != nil {
		return nil, &SendError{Pause: true, Message: "no request can be made to the SMS gateway; check sms.webhook.url"}
	}
	for name, values := range more {
		r.Header[name] = values
	}
	for name, value := range w.config.Headers {
		r.Header.Set(name, string(value.Reveal()))
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return nil, reaching("the SMS gateway", "sms.webhook.ca", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, answerLimit))
	return resp, nil
}

// refusal returns nil for an answer that accepts, or what it means. Only
// 400 and 422 are about the message, and they too only if no proxy wrote them,
// which write HTML: any other answer says that whatever is sent meets the same.
func (w *Webhook) refusal(resp *http.Response) error {
	e := &SendError{
		Message:    "the SMS gateway answered " + strconv.Itoa(resp.StatusCode),
		RetryAfter: retryAfter(resp.Header, w.config.Now()),
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch status := resp.StatusCode; {
	case status/100 == 2:
		return nil
	case passes(status), status == http.StatusConflict: // the same message is still being taken
		e.Message += "; it will be sent again unchanged"
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		e.Pause, e.Message = true, e.Message+"; check sms.webhook.headers, and HTTPS_PROXY in the server's environment"
	case media == "text/html":
		e.Pause, e.Message = true, e.Message+" with an HTML page: a proxy may have sent it; check sms.webhook.url, "+
			"and HTTPS_PROXY in the server's environment"
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		e.Permanent, e.Message = true, e.Message+"; check the contact's mobile number, and sms.webhook.body"
	default:
		e.Pause, e.Message = true, e.Message+"; check sms.webhook.url, sms.webhook.method and the account at the gateway"
	}
	return e
}
