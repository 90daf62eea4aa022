package main_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// What the admin API tells, as far as the people and the checks look at it.
type (
	orderRecord struct {
		ID     string
		State  issuance.OrderState
		Serial issuance.Serial
	}
	certificateRecord struct {
		Serial      issuance.Serial
		Status      issuance.Status
		Order       string
		Fingerprint string
	}
	noticeRecord struct {
		ID        string
		Kind      issuance.NoticeKind
		State     issuance.NoticeState
		Order, To string
		LastError string `json:"last_error"`
	}
	auditedAct struct {
		Verb   issuance.Verb
		Order  string
		Serial issuance.Serial
		Detail map[string]string
	}
)

// show returns one record.
func show[R any](ctx context.Context, p *person, path string) (r R, err error) {
	a, err := p.api(ctx, "look", http.MethodGet, path, "")
	if err == nil && a.status != http.StatusOK {
		err = a.refused(path)
	}
	if err == nil {
		err = json.Unmarshal(a.body, &r)
	}
	return r, err
}

// listAll returns all records of a list.
func listAll[R any](ctx context.Context, p *person, path string) (all []R, err error) {
	joint := "?"
	if strings.Contains(path, joint) {
		joint = "&"
	}
	for cursor := ""; ; {
		part, err := show[struct {
			Items []R
			Next  string
		}](ctx, p, path+joint+"limit=500&cursor="+url.QueryEscape(cursor))
		if err != nil {
			return nil, err
		}
		all = append(all, part.Items...)
		if cursor = part.Next; cursor == "" {
			return all, nil
		}
	}
}
