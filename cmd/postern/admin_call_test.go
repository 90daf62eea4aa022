package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// apiRequest is one call of the API.
type apiRequest struct {
	method, path string
	body         string
	role         issuance.Role // "" for the administrator's token
	header       http.Header
}

// apiAnswer is what came back.
type apiAnswer struct {
	status int
	header http.Header
	body   []byte
}

func (a apiAnswer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

// field returns a member of the answer's object as text.
func (a apiAnswer) field(t *testing.T, name string) string {
	t.Helper()
	var v map[string]any
	a.into(t, &v)
	s, _ := v[name].(string)
	return s
}

// do makes a call and checks its answer against the document.
func (h *adminHouse) do(q apiRequest) apiAnswer {
	h.t.Helper()
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.role == "" {
		q.role = issuance.RoleAdministrator
	}
	if token := h.tokens[q.role]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.requests++
	w.Header().Set(server.RequestIDHeader, "test-"+strconv.Itoa(h.requests)) // as a listener does
	r.Header.Set(server.RequestIDHeader, "forged")
	h.api.ServeHTTP(w, r)
	a := apiAnswer{w.Code, w.Result().Header, w.Body.Bytes()}
	h.check(r, a)
	return a
}

// check holds an answer against the document.
func (h *adminHouse) check(r *http.Request, a apiAnswer) {
	h.t.Helper()
	if r.Method == http.MethodHead {
		return // GET without its body (RFC 9110, section 9.3.2)
	}
	route, params, err := h.document.FindRoute(r)
	if err != nil {
		if a.status < 400 {
			h.t.Errorf("%s %s is answered with %d and is not in the document", r.Method, r.URL, a.status)
		}
		return
	}
	answered := route.Method + " /api/v1" + route.Path + " " + http.StatusText(a.status)
	h.seen[answered] = true
	h.left[answered] = append(h.left[answered], len(h.recorded()))
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
	response := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(h.t.Context(), response); err != nil {
		h.t.Errorf("%s %s: the answer is not as the document says: %v\n%s", r.Method, r.URL, err, a.body)
	}
}

// want makes a call that must be answered with status.
func (h *adminHouse) want(status int, q apiRequest) apiAnswer {
	h.t.Helper()
	a := h.do(q)
	if a.status != status {
		h.t.Fatalf("%s %s is answered with %d, want %d: %s", q.method, q.path, a.status, status, a.body)
	}
	return a
}

func (h *adminHouse) get(path string) apiAnswer {
	h.t.Helper()
	return h.want(http.StatusOK, apiRequest{method: http.MethodGet, path: "/api/v1" + path})
}

func (h *adminHouse) post(status int, path, body string) apiAnswer {
	h.t.Helper()
	return h.want(status, apiRequest{method: http.MethodPost, path: "/api/v1" + path, body: body})
}
