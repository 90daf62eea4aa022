package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// claimTries is how often a claim is requested if its answer does not arrive.
const claimTries = 6

// link is the e-mailed URL, with the session that the right code opened.
type link struct {
	base    *url.URL // with the token: never to be printed
	http    *http.Client
	cookies []*http.Cookie
	second  time.Duration // that pauses between tries are counted in
	filters []string      // that had rewritten the URL, the outermost first
}

// sendCode asks for a new one-time code.
func (l *link) sendCode(ctx context.Context) error {
	answer, err := l.post(ctx, "code", nil)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// post sends a form and returns a good answer, whose body the caller must close,
// or the error that the answer tells.
func (l *link) post(ctx context.Context, verb string, fields map[string]string) (*http.Response, error) {
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.base.JoinPath(verb).String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("making the request")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/problem+json, */*;q=0.5")
	for _, c := range l.cookies {
		r.AddCookie(c)
	}
	answer, err := l.http.Do(r)
	if err != nil {
		return nil, brokenError{unreachable(l.base, err)}
	}
	if set := answer.Cookies(); len(set) > 0 {
		l.cookies = set
	}
	if answer.StatusCode < 300 {
		return answer, nil
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return nil, brokenError{unreachable(l.base, err)}
	}
	return nil, problem(l.base, answer, text)
}

// brokenError is an answer that did not arrive completely: it is not known what the
// server did.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

// received is the result of a claim.
type received struct {
	name string // that the server gave it, "" for none
}

// claim sends fields and writes what comes to into. When the answer breaks off, it
// asks again: the session that the right code opened gets the same file.
func (l *link) claim(
	ctx context.Context, fields map[string]string, into *files, progress func(string, ...any),
) (received, error) {
	for try := 1; ; try++ {
		got, err := l.download(ctx, fields, into)
		seconds, again := worth(err, try)
		if !again || try == claimTries {
			return got, err
		}
		progress("%s; trying again", err)
		select {
		case <-ctx.Done():
			return received{}, ctx.Err()
		case <-time.After(time.Duration(seconds) * l.second):
		}
	}
}

// worth reports whether the same request may succeed after err, and after how many
// seconds: at once after the first failure, then after longer and longer pauses.
func worth(err error, try int) (seconds int, again bool) {
	if e, ok := errors.AsType[*issuance.Error](err); ok && e.Code == issuance.CodeBusy {
		return min(max(int(e.Retry.Seconds()), 1), 60), true
	}
	_, broken := errors.AsType[brokenError](err)
	return 1 << try >> 2, broken && !errors.Is(err, context.Canceled)
}

// download asks once. With a session the code is not sent again: it was used.
func (l *link) download(ctx context.Context, fields map[string]string, into *files) (got received, err error) {
	if len(l.cookies) > 0 {
		rest := make(map[string]string)
		for name, value := range fields {
			if name != "code" {
				rest[name] = value
			}
		}
		fields = rest
	}
	into.asked = true
	answer, err := l.post(ctx, "claim", fields)
	if err != nil {
		_, broken := errors.AsType[brokenError](err)
		into.asked = broken
		return got, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read to its end
	if err := into.receive(io.LimitReader(answer.Body, mostAnswer)); err != nil {
		return got, err
	}
	if _, params, err := mime.ParseMediaType(answer.Header.Get("Content-Disposition")); err == nil {
		got.name = params["filename"]
	}
	return got, nil
}

// arrived turns an error while reading an answer into one that is worth another try.
func arrived(err error) error {
	return brokenError{fmt.Errorf("the file arrived in part: %w", err)}
}
