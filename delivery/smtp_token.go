package delivery

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/postern-ca/postern/issuance"
)

// OAuth2 says how to get access tokens for XOAUTH2: with a refresh token (RFC 6749,
// section 6), for Gmail, or without one, by the client's own credentials (section
// 4.4), for Exchange Online.
type OAuth2 struct {
	TokenURL     string
	ClientID     string
	ClientSecret issuance.Secret
	RefreshToken issuance.Secret
	Scopes       []string
}

// tokenTimeout is how long the token endpoint may take.
const tokenTimeout = 30 * time.Second

// Tokens returns a source of tokens according to o. A token is used until shortly
// before it expires.
func (o OAuth2) Tokens() TokenSource {
	t := &tokens{OAuth2: o}
	return t.token
}

type tokens struct {
	OAuth2
	mu      sync.Mutex
	current *oauth2.Token
}

func (t *tokens) token(ctx context.Context, refused bool) (issuance.Secret, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if refused || !t.current.Valid() {
		fresh, err := t.fetch(ctx)
		if err != nil {
			return issuance.Secret{}, t.refusal(err)
		}
		t.current = fresh
	}
	return issuance.NewSecret([]byte(t.current.AccessToken)), nil
}

// fetch asks the endpoint. It follows no redirect, which would take the secrets elsewhere.
func (t *tokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Timeout:       tokenTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	secret := string(t.ClientSecret.Reveal())
	if t.RefreshToken.Empty() {
		c := clientcredentials.Config{ClientID: t.ClientID, ClientSecret: secret, TokenURL: t.TokenURL, Scopes: t.Scopes}
		return c.Token(ctx)
	}
	endpoint := oauth2.Endpoint{TokenURL: t.TokenURL}
	c := oauth2.Config{ClientID: t.ClientID, ClientSecret: secret, Endpoint: endpoint, Scopes: t.Scopes}
	return c.TokenSource(ctx, &oauth2.Token{RefreshToken: string(t.RefreshToken.Reveal())}).Token()
}

// refusal says why there is no token.
func (t *tokens) refusal(err error) *SendError {
	endpoint := "the token endpoint"
	if u, err := url.Parse(t.TokenURL); err == nil {
		endpoint += " " + u.Host
	}
	const fix = "; check mail.smtp.oauth2 and whether the application may still send mail"
	answer, answered := errors.AsType[*oauth2.RetrieveError](err)
	answered = answered && answer.Response != nil
	_, network := errors.AsType[*url.Error](err)
	switch {
	case answered && passes(answer.Response.StatusCode):
		return &SendError{Message: endpoint + " answered " + strconv.Itoa(answer.Response.StatusCode) + "; Postern will ask again"}
	case answered:
		return &SendError{Pause: true, Message: endpoint + " answered " + strconv.Itoa(answer.Response.StatusCode) +
			t.said(answer) + fix}
	case network:
		return unreachable(endpoint, err)
	}
	return &SendError{Pause: true, Message: endpoint + " did not return an access token" + fix}
}

// said returns what the endpoint gives as its reason, withheld if it repeats a secret.
func (t *tokens) said(answer *oauth2.RetrieveError) string {
	reason := answer.ErrorCode
	if answer.ErrorDescription != "" {
		reason += ": " + answer.ErrorDescription
	}
	for _, secret := range []issuance.Secret{t.ClientSecret, t.RefreshToken} {
		if (Message{Secret: secret}).leaks(reason) {
			return ", and its reason is not shown because it repeats a secret"
		}
	}
	if reason == "" {
		return ""
	}
	return ": " + oneLine(reason, quoteLimit)
}
