// Package checkpoint signs heads of the audit chain, so that they can be kept where
// nobody who changes the database can reach them, and reads them again.
//
// A checkpoint is a signed note (C2SP signed-note) in the form of C2SP
// tlog-checkpoint: a line that says whose log it is, the number of the last record,
// its link in base64, and an extension line with the time. The link stands where a
// transparency log has the root of its tree: it covers every record up to that one.
//
// The package decides nothing: whether a log agrees with a checkpoint is for others to say.
package checkpoint

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/postern-ca/postern/issuance"
)

// Checkpoint is a head of the chain at a time.
type Checkpoint struct {
	Origin string // of the log: no spaces, no plus signs
	Head   issuance.AuditHead
	At     time.Time
}

const atLine = "at "

func (c Checkpoint) text() (string, error) {
	sum, err := hex.DecodeString(string(c.Head.Link))
	if err != nil {
		return "", fmt.Errorf("writing a checkpoint: %w", err)
	}
	return fmt.Sprintf("%s\n%d\n%s\n%s%s\n", c.Origin, c.Head.Seq, base64.StdEncoding.EncodeToString(sum), atLine,
		c.At.UTC().Format(time.RFC3339)), nil
}

func parse(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 5 {
		return c, malformed("it has too few lines")
	}
	c.Origin = lines[0]
	if c.Head.Seq, err = strconv.ParseUint(lines[1], 10, 64); err != nil {
		return c, malformed("its second line is not a number")
	}
	sum, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(sum) != len(issuance.NoLink)/2 {
		return c, malformed("its third line is not a digest")
	}
	c.Head.Link = issuance.Digest(hex.EncodeToString(sum))
	at, ok := strings.CutPrefix(lines[3], atLine)
	if c.At, err = time.Parse(time.RFC3339, at); err != nil || !ok {
		return c, malformed("its fourth line is not the time")
	}
	return c, nil
}

// Read returns the checkpoints in text, each signed by the verifier key, in the
// order in which they stand there. An error names the first that is not.
func Read(text []byte, verifierKey string) (all []Checkpoint, err error) {
	v, err := note.NewVerifier(verifierKey)
	if err != nil {
		return nil, issuance.Invalidf("key", "is not a verifier key",
			"give the line that `postern audit verify` showed as key when the log was known to be good")
	}
	for i, one := range split(text, v.Name()) {
		n, err := note.Open(one, note.VerifierList(v))
		if err != nil {
			return nil, malformed(fmt.Sprintf("checkpoint %d of the file is not signed by the key %s", i+1, verifierKey))
		}
		c, err := parse(n.Text)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, malformed("there is no checkpoint in it")
	}
	return all, nil
}

// split divides a file into the notes of origin: each ends with its signatures.
// What a crash has left of one, before the next begins, is dropped.
func split(text []byte, origin string) (all [][]byte) {
	var one []byte
	signed := false
	for line := range bytes.Lines(text) {
		signature := isSignature(line)
		if blank := len(bytes.TrimSpace(line)) == 0; signed && !signature || len(one) == 0 && blank {
			if signed {
				all, one, signed = append(all, one), nil, false
			}
			if blank {
				continue
			}
		}
		if string(line) == origin+"\n" {
			one = nil
		}
		one, signed = append(one, line...), signed || signature
	}
	if len(one) > 0 {
		all = append(all, one)
	}
	return all
}

// isSignature reports whether line is a whole signature of an Ed25519 key.
func isSignature(line []byte) bool {
	words := strings.Fields(string(line))
	if len(words) != 3 || words[0] != "—" {
		return false
	}
	sum, err := base64.StdEncoding.DecodeString(words[2])
	return err == nil && len(sum) == 4+ed25519.SignatureSize
}

func malformed(why string) error {
	return issuance.Invalidf("checkpoint", why,
		"use the file or the messages that audit.checkpoint_file or audit.checkpoint_webhook kept")
}

// Key signs checkpoints of one origin.
type Key struct {
	origin   string
	key      ed25519.PrivateKey
	verifier note.Verifier
	text     string
}

// NewKey returns the key that seed, of [ed25519.SeedSize] random bytes, is.
func NewKey(origin string, seed issuance.Secret) (*Key, error) {
	if len(seed.Reveal()) != ed25519.SeedSize {
		return nil, fmt.Errorf("the key that signs checkpoints has %d bytes instead of %d", len(seed.Reveal()), ed25519.SeedSize)
	}
	k := &Key{origin: origin, key: ed25519.NewKeyFromSeed(seed.Reveal())}
	public := k.key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // of an ed25519.PrivateKey
	text, err := note.NewEd25519VerifierKey(origin, public)
	if err != nil {
		return nil, fmt.Errorf("naming the key that signs checkpoints: %w", err)
	}
	if k.verifier, err = note.NewVerifier(text); err != nil {
		return nil, fmt.Errorf("naming the key that signs checkpoints: %w", err)
	}
	k.text = text
	return k, nil
}

// Verifier returns the key that verifies what k signs, as C2SP signed-note writes it.
func (k *Key) Verifier() string { return k.text }

// Sign returns the signed note of a head.
func (k *Key) Sign(head issuance.AuditHead, at time.Time) ([]byte, error) {
	text, err := Checkpoint{Origin: k.origin, Head: head, At: at}.text()
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer{k})
	if err != nil {
		return nil, fmt.Errorf("signing a checkpoint: %w", err)
	}
	return signed, nil
}

// signer is a Key as package note wants one.
type signer struct{ k *Key }

func (s signer) Name() string                     { return s.k.verifier.Name() }
func (s signer) KeyHash() uint32                  { return s.k.verifier.KeyHash() }
func (s signer) Sign(text []byte) ([]byte, error) { return ed25519.Sign(s.k.key, text), nil }
