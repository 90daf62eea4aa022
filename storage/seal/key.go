package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/durable"
)

const (
	keySize = 32
	maxFile = 64 << 10
)

// fileHead stands at the top of a key file, for whoever finds one.
const fileHead = `# Postern seals the secrets in its database with these keys (32 random bytes
# each, in base64). Without them no pending order can be finished, and nobody can
# read what the audit has sealed: keep a copy, and never beside a copy of the
# database.
# The first key seals, all of them open. To change the key, put a new line above
# the old one (openssl rand -base64 32) and restart: then everything is sealed
# with the new one, and the old one can be removed. Keep a copy of it for as long
# as you keep backups of its time.
`

// Ring is the keys that seal and open secrets. It prints as [redacted].
type Ring struct{ keys []key }

type keyID [8]byte

type key struct {
	id     keyID
	secret []byte
}

// Create creates a key file with one random key, readable only by its owner, and
// returns its ring. If the file already exists, Create returns an error and does
// not change it.
func Create(path string) (*Ring, error) {
	secret := make([]byte, keySize)
	rand.Read(secret)
	text := fileHead + base64.StdEncoding.EncodeToString(secret) + "\n"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating the seal key file: %w", err)
	}
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = durable.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(path) // half a key is worse than none
		return nil, fmt.Errorf("writing the seal key file: %w", err)
	}
	return parse([]byte(text))
}

// Load reads a key file. It refuses a file that anyone but its owner may read.
// Errors are of kind Invalid with the field seal.key_file; one for a missing file
// wraps [os.ErrNotExist].
func Load(path string) (*Ring, error) {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return nil, fmt.Errorf("%w: %w", invalid("there is no file "+path,
			"`postern init` creates one; if the database already exists, restore its key file"), err)
	case err != nil:
		return nil, fmt.Errorf("reading the seal key file: %w", err)
	case !info.Mode().IsRegular():
		return nil, invalid(path+" is not a file", "use a file with one key per line")
	case info.Mode().Perm()&0o077 != 0:
		return nil, invalid(fmt.Sprintf("%s is readable by other users (mode %#o)", path, info.Mode().Perm()), "chmod 600 "+path)
	case info.Size() > maxFile:
		return nil, invalid(path+" is too large for a key file", "use a file with one key per line")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the seal key file: %w", err)
	}
	return parse(text)
}

// parse reads keys from the lines of a key file. Its errors name lines, never
// what stands in them.
func parse(text []byte) (*Ring, error) {
	r := new(Ring)
	hint := "each line has the base64 of 32 random bytes: openssl rand -base64 32"
	for i, line := range bytes.Split(text, []byte("\n")) {
		s := strings.TrimSpace(string(line))
		if s == "" || strings.HasPrefix(s, "#") {
			continue
		}
		secret, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil || len(secret) != keySize {
			return nil, invalid(fmt.Sprintf("line %d of the key file is not a key", i+1), hint)
		}
		k, err := newKey(secret)
		if err != nil {
			return nil, err
		}
		if _, twice := r.find(k.id); twice {
			return nil, invalid(fmt.Sprintf("line %d of the key file repeats a key", i+1), "remove it")
		}
		r.keys = append(r.keys, k)
	}
	if len(r.keys) == 0 {
		return nil, invalid("the key file has no key", hint)
	}
	return r, nil
}

func newKey(secret []byte) (key, error) {
	id, err := hkdf.Key(sha256.New, secret, nil, "postern seal key id", len(keyID{}))
	if err != nil {
		return key{}, fmt.Errorf("deriving the id of a seal key: %w", err)
	}
	return key{id: keyID(id), secret: secret}, nil
}

func (r *Ring) find(id keyID) (key, bool) {
	for _, k := range r.keys {
		if k.id == id {
			return k, true
		}
	}
	return key{}, false
}

// Format and LogValue print [redacted].
func (r *Ring) Format(f fmt.State, _ rune) { fmt.Fprint(f, issuance.Secret{}) }

func (r *Ring) LogValue() slog.Value { return issuance.Secret{}.LogValue() }

func invalid(message, hint string) *issuance.Error {
	return issuance.Invalidf("seal.key_file", message, hint)
}
