package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/postern-ca/postern/issuance"
)

// mostAnswer is the longest answer that is read.
const mostAnswer = 16 << 20

// client talks to the admin API of one server.
type client struct {
	base  *url.URL
	token issuance.Secret
	http  *http.Client
}

// get reads what is at path into out.
func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.do(ctx, request{method: http.MethodGet, path: path, query: query}, out)
}

// post sends body to path and reads the answer into out.
func (c *client) post(ctx context.Context, path string, body, out any) error {
	return c.do(ctx, request{method: http.MethodPost, path: path, body: body}, out)
}

// create is post with an Idempotency-Key, so that a request that a proxy repeats creates
// one record.
func (c *client) create(ctx context.Context, path string, body, out any) error {
	return c.do(ctx, request{method: http.MethodPost, path: path, body: body, key: rand.Text()}, out)
}

func (c *client) patch(ctx context.Context, path string, body, out any) error {
	return c.do(ctx, request{method: http.MethodPatch, path: path, body: body}, out)
}

type request struct {
	method string
	path   string
	query  url.Values
	body   any
	key    string // Idempotency-Key
}

func (c *client) do(ctx context.Context, q request, out any) error {
	u := c.base.JoinPath(q.path)
	u.RawQuery = q.query.Encode()
	var body io.Reader
	if q.method != http.MethodGet {
		text, err := json.Marshal(q.body)
		if err != nil {
			return fmt.Errorf("writing the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, u.String(), body)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	r.Header.Set("Accept", "application/json, application/problem+json")
	r.Header.Set("Authorization", "Bearer "+string(c.token.Reveal()))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.key != "" {
		r.Header.Set("Idempotency-Key", q.key)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return unreachable(c.base, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read to its end
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", c.base.Host, err)
	}
	if answer.StatusCode >= 300 {
		return problem(c.base, answer, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return foreignAnswer(c.base, answer.Status)
	}
	return nil
}

// noSuchPath is the error code for a path that the server does not have.
const noSuchPath issuance.Code = "no-such-path"

// problem returns the error in an answer (RFC 9457).
func problem(base *url.URL, answer *http.Response, text []byte) error {
	var p struct {
		Type, Title, Detail, Field, Hint string
		Code                             issuance.Code
		RetryAfter                       int `json:"retry_after"`
		Left                             int
		Next                             struct{ Verb, Noun, ID string }
	}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || kind != "application/problem+json" || json.Unmarshal(text, &p) != nil {
		return foreignAnswer(base, answer.Status)
	}
	e := &issuance.Error{
		Code: p.Code, Field: p.Field, Message: p.Detail,
		Hint: p.Hint, Left: p.Left, Retry: time.Duration(p.RetryAfter) * time.Second,
	}
	e.Next = issuance.Next{Verb: issuance.Verb(word(p.Next.Verb)), Noun: issuance.Noun(word(p.Next.Noun)), ID: word(p.Next.ID)}
	if strings.HasPrefix(p.Type, "urn:postern:problem:") { // of the contacts' site
		e.Message, e.Hint = p.Title, p.Detail
	}
	if after, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && e.Retry == 0 {
		e.Retry = time.Duration(after) * time.Second
	}
	if e.Field != "" { // which it begins with, as e will
		e.Message = strings.TrimPrefix(e.Message, e.Field+": ")
	}
	if e.Message == "" {
		e.Message = p.Title
	}
	if e.Code == noSuchPath {
		e.Hint = "Postern at " + base.Host + " may be of another version than this program, or the address has a path too many"
	}
	e.Message, e.Hint = clean(e.Message), clean(e.Hint) // one line each
	if e.Hint == "" && e.Retry > 0 {
		e.Hint = "try again in " + e.Retry.String()
	}
	switch s := answer.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		e.Kind = issuance.Denied
	case s == http.StatusNotFound || s == http.StatusGone:
		e.Kind = issuance.NotFound
	case s == http.StatusConflict:
		e.Kind = issuance.Conflict
	case s == http.StatusTooManyRequests:
		e.Kind = issuance.Limited
	case s == http.StatusServiceUnavailable:
		e.Kind = issuance.Unavailable
	case s < 500:
		e.Kind = issuance.Invalid
	}
	return e
}

// foreignAnswer is the error for an answer that does not come from Postern.
func foreignAnswer(base *url.URL, status string) error {
	return &issuance.Error{
		Kind: issuance.Unavailable, Message: base.Host + " answered " + status + ", but not in the way Postern does",
		Hint: "check the address and any proxy in between",
	}
}

// unreachable returns err, from a request that got no answer, with a hint.
func unreachable(base *url.URL, err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address, which may have a token in it
	}
	e := &issuance.Error{
		Kind: issuance.Unavailable, Message: base.Host + " cannot be reached: " + err.Error(),
		Hint: "check the address, and that Postern is running there",
	}
	var tlsHead tls.RecordHeaderError
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		e.Hint = "if its certificate is from a private CA, get the root of that CA in a way you trust " +
			"and set it with --ca or POSTERN_CA"
	} else if errors.As(err, &tlsHead) {
		e.Hint = "it may use plain HTTP: if it is on this machine, write the address with http://"
	}
	return e
}

// transport returns a client that trusts roots, nil for those of the system, and
// goes through the proxies that o's environment names.
func (o Options) transport(roots *x509.CertPool) *http.Client {
	either := func(name, small string) string {
		if v := o.variable(small); v != "" {
			return v
		}
		return o.variable(name)
	}
	proxies := (&httpproxy.Config{
		HTTPProxy: either("HTTP_PROXY", "http_proxy"), HTTPSProxy: either("HTTPS_PROXY", "https_proxy"),
		NoProxy: either("NO_PROXY", "no_proxy"),
	}).ProxyFunc()
	return &http.Client{
		Timeout: 2 * time.Minute,
		Transport: &http.Transport{
			Proxy:               func(r *http.Request) (*url.URL, error) { return proxies(r.URL) },
			TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 15 * time.Second,
			ForceAttemptHTTP2:   true,
		},
		// A redirect would carry a token or a code somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
