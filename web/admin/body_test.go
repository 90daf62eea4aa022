package admin

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postern-ca/postern/issuance"
)

// FuzzDecode holds the strict reader against the standard library's: what it
// takes, the library reads to the same values, and its errors are fit to be shown.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"A","on":true}`, `{"name":"\ud800"}`, `{"name":"A","name":"B"}`, `{"Name":"A"}`, `{"name":null}`, `[1]`, ``, `{"name":"A"}}`,
		"{\"name\":\"\xc3\x28\"}", `{"name":"\u0000"}`, " \n{ \"on\" : false } ", `{"on":1e999}`, `{"name":{"a":["b"]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var name string
		var on bool
		err := decode(raw, fields{"name": text(&name), "on": flag(&on)})
		if err != nil {
			e, ok := err.(*issuance.Error)
			if !ok || e.Kind != issuance.Invalid || e.Hint == "" || !utf8.ValidString(e.Error()) || len(e.Error()) > 500 {
				t.Fatalf("%q is refused with %#v", raw, err)
			}
			return
		}
		var want struct {
			Name string `json:"name"`
			On   bool   `json:"on"`
		}
		if err := json.Unmarshal(raw, &want); err != nil || want.Name != name || want.On != on {
			t.Fatalf("%q is read as %q %v; the library reads %+v, %v", raw, name, on, want, err)
		}
	})
}

// FuzzQuery reads any address: it must give values within their bounds, or an
// error that is fit to be shown.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "cursor=abc&limit=5", "limit=99999999999999999999", "cursor=a&cursor=b", "x=1", "a;b", "serial=%00", "at=2026-01-01T00:00:00Z", "limit=%F0%9F%92%A9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: "/", RawQuery: raw}
		q := (&call{r: r}).listing("serial", "at")
		p := q.page()
		q.serial("serial")
		q.time("at")
		if q.err == nil {
			if p.Size() < 1 || p.Size() > issuance.MaxPage || len(p.After) > maxText {
				t.Fatalf("%q is read as %+v", raw, p)
			}
			return
		}
		e, ok := q.err.(*issuance.Error)
		if !ok || e.Kind != issuance.Invalid || e.Hint == "" || !utf8.ValidString(e.Error()) || len(e.Error()) > 500 {
			t.Fatalf("%q is refused with %#v", raw, q.err)
		}
	})
}

func TestAnErrorDoesNotRepeatTheBody(t *testing.T) {
	err := decode([]byte(`{"name": pst_secret}`), fields{"name": text(new(string))})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}
