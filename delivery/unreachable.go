package delivery

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// unreachable is the error of a provider that gave no answer. It may have taken
// the message all the same, which is why it is sent again unchanged.
func unreachable(provider string, err error) *SendError {
	if proxy, ok := errors.AsType[*proxyRefusal](err); ok {
		return proxy.refusal(provider)
	}
	what := "cannot be reached"
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		what = "did not answer in time"
	case errors.Is(err, context.Canceled):
		what = "was not awaited because the server is stopping"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		what = "closed the connection"
	}
	if fault := certificateFault(err); fault != "" {
		return &SendError{
			Pause:   true,
			Message: provider + " presented a certificate that is not valid: " + fault + "; nothing was sent",
		}
	}
	return &SendError{Message: provider + " " + what + "; it will be sent again unchanged"}
}

// reaching is unreachable for a provider whose CA the key ca names.
func reaching(provider, ca string, err error) *SendError {
	e := unreachable(provider, err)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		e.Message += ". Set the file with its CA's certificate in " + ca
	}
	return e
}

// retryAfter reads the header in both its forms (RFC 9110, section 10.2.3); 0 if
// there is none that can be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.Atoi(v); err == nil && seconds >= 0 && seconds < 1<<31 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
