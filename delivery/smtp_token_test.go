package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/issuance"
)

// tokenServer is a token endpoint (RFC 6749, section 3.2) that answers as it is told.
type tokenServer struct {
	*httptest.Server

	mu     sync.Mutex
	status int
	body   string
	asked  []string // the forms, with the client's name
}

func startTokenServer(t *testing.T) *tokenServer {
	t.Helper()
	s := new(tokenServer)
	s.answer(http.StatusOK, `{"access_token":"`+smtptest.Token+`","token_type":"Bearer","expires_in":3600}`)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		client, secret, _ := r.BasicAuth()
		_ = r.ParseForm()
		s.asked = append(s.asked, fmt.Sprint(client, " ", secret, " ", r.PostForm.Get("grant_type"), " ", r.PostForm.Get("refresh_token"), " ", r.PostForm.Get("scope")))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *tokenServer) answer(status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body = status, body
}

// requests returns what was asked, and forgets it.
func (s *tokenServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

const clientSecret = "Zq81xWv02-Rt7uK4mPn"

func (s *tokenServer) client() OAuth2 {
	return OAuth2{
		TokenURL: s.URL, ClientID: "postern", ClientSecret: issuance.NewSecret([]byte(clientSecret)),
		Scopes: []string{"https://outlook.office365.com/.default"},
	}
}

// TestMailWithTokensOfAnEndpoint: Postfix speaks XOAUTH2 as Gmail and Exchange Online do.
func TestMailWithTokensOfAnEndpoint(t *testing.T) {
	server, endpoint := smtptest.NewPostfix(t), startTokenServer(t)
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	refreshing := endpoint.client()
	refreshing.RefreshToken, refreshing.Scopes = issuance.NewSecret([]byte("1//refresh")), nil
	for name, c := range map[string]struct {
		client OAuth2
		asks   string
	}{
		"client credentials": {endpoint.client(), "postern " + clientSecret + " client_credentials  https://outlook.office365.com/.default"},
		"refresh token":      {refreshing, "postern " + clientSecret + " refresh_token 1//refresh "},
	} {
		t.Run(name, func(t *testing.T) {
			sender := mailSender(t, server.Port, server.Roots, func(config *SMTPConfig) {
				config.Auth, config.Password, config.Token = XOAUTH2, issuance.Secret{}, c.client.Tokens()
			})
			for range 2 { // with one token
				if _, err := sender.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				server.Next()
			}
			if asked := endpoint.requests(); len(asked) != 1 || asked[0] != c.asks {
				t.Errorf("asked %q, want once %q", asked, c.asks)
			}
		})
	}
}

// TestRefusedTokenIsAskedForAgain: a token may be revoked long before it expires.
func TestRefusedTokenIsAskedForAgain(t *testing.T) {
	server, endpoint := smtptest.NewPostfix(t), startTokenServer(t)
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	endpoint.answer(http.StatusOK, `{"access_token":"revoked-t0ken-qZ01","token_type":"Bearer","expires_in":3600}`)
	sender := mailSender(t, server.Port, server.Roots, func(c *SMTPConfig) {
		c.Auth, c.Password, c.Token = XOAUTH2, issuance.Secret{}, endpoint.client().Tokens()
	})
	checkRefusal(t, sender, m, SendError{Pause: true}, "535 to AUTH")
	endpoint.answer(http.StatusOK, `{"access_token":"`+smtptest.Token+`","token_type":"Bearer","expires_in":3600}`)
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	server.Next()
	if n := len(endpoint.requests()); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

func TestTokenEndpointRefuses(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   SendError
		says   string
	}{
		{401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`, SendError{Pause: true}, "answered 401: invalid_client: AADSTS7000215"},
		{400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`, SendError{Pause: true}, "mail.smtp.oauth2"},
		{400, `{"error":"invalid_client","error_description":"no client with ` + clientSecret + `"}`, SendError{Pause: true}, "not shown"},
		{404, `<html>not here</html>`, SendError{Pause: true}, "answered 404; check"},
		{307, ``, SendError{Pause: true}, "answered 307"},
		{200, `{"token_type":"Bearer"}`, SendError{Pause: true}, "did not return an access token"},
		{200, `<html>sign in</html>`, SendError{Pause: true}, "did not return an access token"},
		{503, `busy`, SendError{}, "503; Postern will ask again"},
		{429, `{"error":"slow_down"}`, SendError{}, "429; Postern will ask again"},
	} {
		endpoint := startTokenServer(t)
		endpoint.answer(c.status, c.body)
		_, err := endpoint.client().Tokens()(t.Context(), false)
		checkTokenError(t, err, c.want, c.says)
	}
	closed := startTokenServer(t)
	closed.Close()
	_, err := closed.client().Tokens()(t.Context(), false)
	checkTokenError(t, err, SendError{}, "cannot be reached")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = startTokenServer(t).client().Tokens()(ctx, false)
	checkTokenError(t, err, SendError{}, "server is stopping")
}

func checkTokenError(t *testing.T, err error, want SendError, says string) {
	t.Helper()
	got, ok := errors.AsType[*SendError](err)
	if !ok || got.Pause != want.Pause || got.Permanent || !strings.Contains(got.Message, says) {
		t.Errorf("got %+v, want pause %v and %q", err, want.Pause, says)
	}
	if strings.Contains(fmt.Sprint(err), clientSecret) {
		t.Errorf("error %q shows a secret", err)
	}
}
