package cli_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/checkpoint"
)

// TestAuditVerifyComparesCheckpoints has a server whose records are right by
// themselves, and checkpoints that agree with them, and do not.
func TestAuditVerifyComparesCheckpoints(t *testing.T) {
	seed := func(fill byte) *checkpoint.Key {
		k, err := checkpoint.NewKey("example.com/audit", issuance.NewSecret(bytes.Repeat([]byte{fill}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	key, other := seed(1), seed(2)
	head := func(seq uint64, digit string) issuance.AuditHead {
		return issuance.AuditHead{Seq: seq, Link: issuance.Digest(strings.Repeat(digit, 64))}
	}
	file := func(k *checkpoint.Key, heads ...issuance.AuditHead) string {
		var text []byte
		for _, h := range heads {
			one, err := k.Sign(h, time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC))
			if err != nil {
				t.Fatal(err)
			}
			text = append(append(text, one...), '\n')
		}
		return tempFile(t, string(text))
	}
	there := []issuance.AuditHead{head(3, "3"), head(7, "7"), head(9, "9")}
	body, err := json.Marshal(map[string]any{"records": 9, "last": there[2], "began": 1, "lost": 0, "key": key.Verifier(), "links": there})
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(string(body), `"key"`, `"fault":{"seq":5,"why":"it was changed"},"key"`, 1)
	// Records 10 to 12 were lost: the one behind them tells so, and the link of 12.
	restored, err := json.Marshal(map[string]any{
		"records": 10, "last": head(13, "d"), "began": 1, "lost": 3, "key": key.Verifier(), "links": there,
		"gaps": []issuance.AuditGap{{From: 10, To: 12, Link: head(12, "c").Link}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, body string
		args       []string
		status     int
		want       string
	}{
		{"no checkpoint", string(body), nil, 0, "as they were written"},
		{"a fault", bad, nil, 1, "audit record 5: it was changed"},
		{"checkpoints that agree", string(body), []string{"--checkpoint", file(key, there[0], there[2])}, 0, "2 agree"},
		{"by the kept key", string(body), []string{"--checkpoint", file(key, there[1]), "--key", key.Verifier()}, 0, "1 agree"},
		{"one that differs", string(body), []string{"--checkpoint", file(key, there[0], head(7, "8"))}, 1, "audit record 4: this record or one up to 7 was changed"},
		{"one of more", string(body), []string{"--checkpoint", file(key, there[2], head(12, "1"))}, 1, "audit record 10: the checkpoint of 2027-01-31T09:00:00Z covers records up to 12"},
		{"of lost records", string(restored), []string{"--checkpoint", file(key, there[0], head(11, "b"), head(12, "c"))}, 0, "1 of records that were lost"},
		{"they agree", string(restored), []string{"--checkpoint", file(key, there[0], head(11, "b"), head(12, "c"))}, 0, "2 agree"},
		{"not the one that was lost", string(restored), []string{"--checkpoint", file(key, there[2], head(12, "1"))}, 1, "audit record 10: this record or one up to 12 was changed"},
		{"another key", string(body), []string{"--checkpoint", file(other, there[0])}, 1, "is not signed by the key"},
		{"another kept key", string(body), []string{"--checkpoint", file(key, there[0]), "--key", other.Verifier()}, 1, "is not signed by the key"},
		{"no file of them", string(body), []string{"--checkpoint", tempFile(t, "\n")}, 1, "there is no checkpoint in it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, map[string]answer{"POST /api/v1/audit/verify": {body: tt.body}})
			for _, more := range []string{"", "--json"} {
				got := f.staff(t, append(append([]string{"audit", "verify"}, tt.args...), strings.Fields(more)...)...)
				if got.status != tt.status || more == "" && !strings.Contains(got.out+got.err, tt.want) {
					t.Errorf("%s: status %d, want %d with %q:\n%s%s", more, got.status, tt.status, tt.want, got.out, got.err)
				}
			}
		})
	}
}
