package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// newTransport returns the transport to a provider whose certificate must come
// from one of roots; nil for the CAs of the system. It heeds the usual proxy
// variables, and tells what a proxy says from what the provider says.
func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           10,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		OnProxyConnectResponse: proxyAnswered,
	}
}

// proxyRefusal is the error of a proxy that did not connect us.
type proxyRefusal struct {
	proxy  string // its host and port
	status int
}

func (e *proxyRefusal) Error() string {
	return "the proxy " + e.proxy + " answered " + strconv.Itoa(e.status)
}

func proxyAnswered(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefusal{proxy.Host, answer.StatusCode}
}

// refusal says what it means for the channel.
func (e *proxyRefusal) refusal(provider string) *SendError {
	if passes(e.status) {
		return &SendError{Message: e.Error() + " instead of connecting to " + provider + "; it is sent again, the same"}
	}
	return &SendError{Pause: true, Message: e.Error() + " instead of connecting to " + provider +
		"; check HTTPS_PROXY in the server's environment, and what the proxy lets through"}
}

// passes reports whether a status says that it is worth trying again soon.
func passes(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}
