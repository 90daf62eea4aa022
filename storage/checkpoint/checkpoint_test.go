package checkpoint_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/checkpoint"
)

var at = time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)

func key(t *testing.T, fill byte) *checkpoint.Key {
	t.Helper()
	k, err := checkpoint.NewKey("example.com/audit", issuance.NewSecret(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func head(seq uint64) issuance.AuditHead {
	return issuance.AuditHead{Seq: seq, Link: issuance.Digest(strings.Repeat("0123456789abcdef", 4))}
}

func signed(t *testing.T, k *checkpoint.Key, seq uint64) []byte {
	t.Helper()
	text, err := k.Sign(head(seq), at)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestAFileOfCheckpointsIsRead writes some behind each other, with and without a
// blank line between.
func TestAFileOfCheckpointsIsRead(t *testing.T) {
	k := key(t, 1)
	var want []checkpoint.Checkpoint
	var file []byte
	for i := range uint64(5) {
		if i == 3 { // torn by a crash
			torn := signed(t, k, 2)
			file = append(append(file, torn[:len(torn)-40]...), "\n\n"...)
		}
		file = append(file, signed(t, k, i)...)
		if i%2 == 0 {
			file = append(file, '\n')
		}
		want = append(want, checkpoint.Checkpoint{Origin: "example.com/audit", Head: head(i), At: at})
	}
	got, err := checkpoint.Read(file, k.Verifier())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s\nin %s", err, diff, file)
	}
}

// TestEveryChangeOfACheckpointIsRefused changes every byte.
func TestEveryChangeOfACheckpointIsRefused(t *testing.T) {
	k := key(t, 1)
	text := signed(t, k, 12)
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 1
		if got, err := checkpoint.Read(changed, k.Verifier()); err == nil {
			t.Errorf("byte %d of %q: got %v", i, text, got)
		}
	}
	for what, text := range map[string][]byte{"nothing": nil, "of another key": signed(t, key(t, 2), 12), "a half": text[:len(text)/2]} {
		if got, err := checkpoint.Read(text, k.Verifier()); issuance.KindOf(err) != issuance.Invalid {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
	}
	if _, err := checkpoint.Read(text, "no key"); issuance.KindOf(err) != issuance.Invalid {
		t.Errorf("without a key: %v", err)
	}
}
