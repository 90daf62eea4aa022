package badkeys

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Debian's lists are made of it
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// Lists are lists of blocked keys that the operator has. The zero value has none.
type Lists struct {
	files []*blocklist
	// Debian's are the last ten bytes of the SHA-1 of "Modulus=HEX\n", ours the first
	// ten of a mark; both sorted.
	debian, marks [][10]byte
}

// Open reads a file, or all files of a directory; "" is none. A file in text has one
// key a line: 20 hexadecimal digits as in Debian's openssl-blacklist packages, or the 64 of a
// mark; what follows a # is not read. One whose name ends in .dat is badkeys' blocklist, which is
// kept open and not read into memory. A line of another kind is an error.
func Open(path string) (*Lists, error) {
	l := new(Lists)
	if path == "" {
		return l, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	names := []string{path}
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		names = nil
		for _, e := range entries {
			if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
				names = append(names, filepath.Join(path, e.Name()))
			}
		}
	}
	for _, name := range names {
		if err := l.read(name); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	l.debian, l.marks = sorted(l.debian), sorted(l.marks)
	return l, nil
}

// Close closes the files that are kept open.
func (l *Lists) Close() (err error) {
	for _, f := range l.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// Len returns how many keys are blocked.
func (l *Lists) Len() int {
	n := len(l.debian) + len(l.marks)
	for _, f := range l.files {
		n += f.entries
	}
	return n
}

func (l *Lists) read(name string) error {
	if strings.HasSuffix(name, ".dat") {
		f, err := openBlocklist(name)
		if err == nil {
			l.files = append(l.files, f)
		}
		return err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	at := 0
	for line := range bytes.Lines(text) {
		at++
		line, _, _ = bytes.Cut(line, []byte("#"))
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if err := l.add(string(line)); err != nil {
			return fmt.Errorf("%s, line %d: %w", name, at, err)
		}
	}
	return nil
}

func (l *Lists) add(line string) error {
	raw, err := hex.DecodeString(line)
	switch {
	case err == nil && len(raw) == 10:
		l.debian = append(l.debian, [10]byte(raw))
	case err == nil && len(raw) == sha256.Size:
		l.marks = append(l.marks, [10]byte(raw))
	default:
		return errors.New("is neither 20 nor 64 hexadecimal digits")
	}
	return nil
}

// Problem is the package's, and says too whether a list has the key. A list that
// can no longer be read refuses every key.
func (l *Lists) Problem(key crypto.PublicKey) string {
	if problem := Problem(key); problem != "" {
		return problem
	}
	const known = "it is on a list of keys that are not secret"
	if k, ok := key.(*rsa.PublicKey); ok && len(l.debian) > 0 {
		sum := sha1.Sum(fmt.Appendf(nil, "Modulus=%X\n", k.N)) //nolint:gosec // as above
		if has(l.debian, sum[10:]) {
			return known
		}
	}
	for _, mark := range marksOf(key) {
		if has(l.marks, mark) {
			return known
		}
		for _, f := range l.files {
			if found, err := f.has(mark); err != nil {
				return "a list of blocked keys cannot be read at this moment"
			} else if found {
				return known
			}
		}
	}
	return ""
}

// marksOf returns the mark of key and, of Ed25519, what badkeys has for it: both signs.
func marksOf(key crypto.PublicKey) (out [][]byte) {
	if mark, err := hex.DecodeString(string(issuance.MarkOf(key))); err == nil && len(mark) > 0 {
		out = append(out, mark)
	}
	if k, ok := key.(ed25519.PublicKey); ok && len(k) == ed25519.PublicKeySize {
		for _, sign := range []byte{0, 0x80} {
			point := bytes.Clone(k)
			point[31] = point[31]&0x7f | sign
			sum := sha256.Sum256(bytes.TrimLeft(point, "\x00"))
			out = append(out, sum[:])
		}
	}
	return out
}

func sorted(all [][10]byte) [][10]byte {
	slices.SortFunc(all, func(a, b [10]byte) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(all)
}

func has(all [][10]byte, digest []byte) bool {
	_, found := slices.BinarySearchFunc(all, digest[:10], func(a [10]byte, b []byte) int { return bytes.Compare(a[:], b) })
	return found
}

// blocklist is a file of badkeys': blocks of the first 15 bytes of a digest and the
// number of a list, sorted.
type blocklist struct {
	*os.File
	entries int
}

const block = 16

func openBlocklist(name string) (*blocklist, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size()%block != 0 {
		err = fmt.Errorf("%s: its size is not a multiple of %d bytes, so it is not badkeys' blocklist.dat, or not all of it",
			name, block)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &blocklist{f, int(info.Size() / block)}, nil
}

func (f *blocklist) has(digest []byte) (bool, error) {
	var failed error
	read := func(i int) []byte {
		var b [block]byte
		_, err := f.ReadAt(b[:], int64(i)*block)
		failed = cmp.Or(failed, err)
		return b[:block-1]
	}
	i := sort.Search(f.entries, func(i int) bool { return bytes.Compare(read(i), digest[:block-1]) >= 0 })
	return i < f.entries && bytes.Equal(read(i), digest[:block-1]) && failed == nil, failed
}
