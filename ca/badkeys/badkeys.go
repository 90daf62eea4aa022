// Package badkeys knows keys whose private half is no secret: published ones, those
// that anybody tries first, and what lists of the operator name. It looks up, and
// computes nothing: what is wrong with a key by itself is ca's to see.
package badkeys

import (
	"crypto"
	_ "embed" // the lists
	"encoding/hex"
	"sort"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

//go:embed published.txt
var published string // see its head

//go:embed tiny.bin
var tiny string // see testdata/tiny

// Problem says why a key must not be certified, as in "its private key is published
// (RFC 9500)", and "" if nothing is known of it. It takes some microseconds.
func Problem(key crypto.PublicKey) string {
	mark := issuance.MarkOf(key)
	if mark == "" {
		return ""
	}
	if _, rest, found := strings.Cut(published, "\n"+string(mark)+" "); found {
		where, _, _ := strings.Cut(rest, "\n")
		return "its private key is published (" + where + ")"
	}
	if isTiny(mark) {
		return "its private key is a number that anybody would try first"
	}
	return ""
}

// isTiny reports whether the first eight bytes of mark are among those of tiny.
func isTiny(mark issuance.Digest) bool {
	raw, err := hex.DecodeString(string(mark[:16]))
	if err != nil {
		return false
	}
	const size = 8
	n := len(tiny) / size
	i := sort.Search(n, func(i int) bool { return tiny[i*size:(i+1)*size] >= string(raw) })
	return i < n && tiny[i*size:(i+1)*size] == string(raw)
}
