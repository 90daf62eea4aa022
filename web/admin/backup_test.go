package admin

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// TestABackupThatFailsIsCut has a backup end in the middle: no client can take what
// has arrived for the whole.
func TestABackupThatFailsIsCut(t *testing.T) {
	a := api(t)
	for name, failure := range map[string]error{"whole": nil, "cut": errors.New("the disk is gone")} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stream{"postern.age", func(w io.Writer) error {
				_, err := io.WriteString(w, strings.Repeat("a", 100_000))
				return errors.Join(err, failure)
			}}.serve(a, w, r)
		}))
		answer, err := http.Get(server.URL)
		if err == nil {
			var text []byte
			text, err = io.ReadAll(answer.Body)
			if failure == nil && len(text) != 100_000 {
				t.Errorf("%d bytes arrived", len(text))
			}
		}
		server.Close()
		if (err != nil) != (failure != nil) {
			t.Errorf("%s: the client sees %v", name, err)
		}
	}
}

func TestListsInBodies(t *testing.T) {
	for body, want := range map[string]string{
		`{"recipients":["a","b"],"keys":true}`: "",
		`{"recipients":[]}`:                    "",
		`{"recipients":"a"}`:                   "recipients: is a string, not a list of strings",
		`{"recipients":["a",1]}`:               "recipients: is a list, not a list of strings",
		`{"recipients":[["a"]]}`:               "recipients: is a list, not a list of strings",
		`{"recipients":[{"a":"b"}]}`:           "recipients: is an object, not a list of strings",
		`{"recipients":["a"`:                   "the body ends before the JSON object does",
		`{"keys":[true]}`:                      "keys: is a list, not true or false",
	} {
		var q BackupRequest
		got := ""
		if err := decode([]byte(body), fields{"recipients": texts(&q.Recipients), "keys": flag(&q.Keys)}); err != nil {
			if got = err.Error(); issuance.KindOf(err) != issuance.Invalid {
				t.Errorf("%s: kind %v", body, issuance.KindOf(err))
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
