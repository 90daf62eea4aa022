package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// claim is the one request of a script: code in, file out.
func (s *story) claim(ctx context.Context, code string) (int, http.Header, []byte, error) {
	form := url.Values{"code": {code}, "target": {string(issuance.Modern)}}
	return s.do(ctx, s.client, http.MethodPost, s.link+"/claim", "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// api calls the admin API and reads its answer into out.
func (s *story) api(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	status, _, answer, err := s.do(ctx, s.client, method, s.h.cfg.Admin.URL+"/api/v1"+path, "application/json", body)
	if err != nil {
		return err
	}
	if status >= 300 {
		return fmt.Errorf("%s %s was answered with %d: %.200s", method, path, status, answer)
	}
	return json.Unmarshal(answer, out)
}

func (s *story) do(
	ctx context.Context, c *http.Client, method, address, mediaType string, body []byte,
) (int, http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, errors.New("the address of a request is not one")
	}
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	if strings.HasPrefix(address, s.h.cfg.Admin.URL) {
		r.Header.Set("Authorization", "Bearer "+string(s.token.Reveal()))
	}
	answer, err := c.Do(r)
	if err != nil {
		// The error of net/http repeats the address, which may hold a token.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return 0, nil, nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	return answer.StatusCode, answer.Header, data, err
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}
