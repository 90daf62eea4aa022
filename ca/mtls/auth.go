package mtls

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Auth asks Postern's GET /auth for the status of each client certificate, and
// caches the answer for at most a second. The server also applies the rules that it
// has for this caller. Set the fields before the first use.
type Auth struct {
	URL string // for example https://certs.internal:9444/auth
	// Secret returns the secret that identifies the caller; it is sent as a bearer
	// token. If Secret is nil, nothing is sent, for example because Client presents
	// a certificate.
	Secret       func() string
	Environments []string         // for example production; empty: all
	MaxAge       time.Duration    // of an answer; 0 or more than a second: one second
	Client       *http.Client     // nil: one that follows no redirects
	Now          func() time.Time // nil: time.Now

	kept answers
}

// Status implements [Revocation].
func (a *Auth) Status(ctx context.Context, chain Chain) error {
	return a.kept.get(ctx, question{sha256.Sum256(chain.Leaf.Raw), a.now, func(ctx context.Context) (verdict, error) {
		asked := a.now()
		err := a.ask(ctx, chain)
		if err != nil && !isRefusal(err) {
			return verdict{}, fmt.Errorf("asking %s: %w", a.URL, err)
		}
		age := time.Second
		if a.MaxAge > 0 {
			age = min(age, a.MaxAge)
		}
		until := asked.Add(age) // what it says may be as old as the question
		return verdict{err: err, until: until, atMost: until}, nil
	}})
}

func (a *Auth) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

func (a *Auth) ask(ctx context.Context, chain Chain) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return err
	}
	// A byte sequence of RFC 8941, as RFC 9440, section 2.2, has it.
	request.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(chain.Leaf.Raw)+":")
	response, err := askPostern(a.Client, a.Secret, request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxOCSPAnswer) // so that the connection can be used again
	return a.read(response, chain)
}

// askPostern sends a request with what proves who asks.
func askPostern(client *http.Client, secret func() string, request *http.Request) (*http.Response, error) {
	if secret != nil {
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(secret())) // files end in a line feed
	}
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return client.Do(request)
}

// read returns what an answer says: nil, an [*Error] that refuses the client, or
// another error if it says nothing about the client.
func (a *Auth) read(response *http.Response, chain Chain) error {
	h := response.Header
	switch response.StatusCode {
	case http.StatusOK:
		// "none" is said where no certificate was seen: then it was not ours that stands.
		caller, _, err := callerOf(chain.Leaf)
		if err != nil {
			return err
		}
		if h.Get("Postern-Verified") == "none" || !sameSerial(h.Get("Postern-Serial"), caller.Serial) {
			return errors.New("the answer is not about the certificate that was sent")
		}
		if len(a.Environments) > 0 && !slices.Contains(a.Environments, h.Get("Postern-Environment")) {
			return refuse(CodeNotAllowed, "services of its environment are not allowed")
		}
		return nil
	case http.StatusForbidden:
		return authRefusal(h.Get("Postern-Refusal"))
	}
	return errors.New("the server answers " + response.Status)
}

func sameSerial(a, b string) bool {
	return strings.EqualFold(strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0"))
}

// authRefusal returns what a code of /auth means. Without one, the answer is not
// Postern's; and some are about whoever asks, and not about the client.
func authRefusal(code string) error {
	switch code {
	case "certificate-revoked":
		return refuse(CodeRevoked, "it was revoked")
	case "certificate-held":
		return refuse(CodeHeld, "it is on hold")
	case "certificate-expired":
		return refuse(CodeExpired, "it has expired")
	case "certificate-early":
		return refuse(CodeEarly, "it is not valid yet")
	case "service-disabled":
		return refuse(CodeDisabled, "its service is disabled")
	case "organization-refused", "service-refused", "environment-refused":
		return refuse(CodeNotAllowed, "Postern's rules for this service do not allow it")
	case "", "proxy-unknown", "upstream-unknown", "certificate-missing",
		"certificate-malformed", "certificate-ambiguous", "certificate-too-long":
		return errors.New("the server rejects the request: " + code)
	}
	return refuse(CodeUnknown, "Postern refuses it: "+code)
}
