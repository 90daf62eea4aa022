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
	if where := publishedIn(string(mark)); where != "" {
		return "its private key is published (" + where + ")"
	}
	if isTiny(mark) {
		return "its private key is a number that anybody would try first"
	}
	return ""
}

// publishedIn returns where the key with mark was found, "" if nowhere, by halving
// the sorted lines. Those of the head sort before every mark.
func publishedIn(mark string) string {
	at, end := 0, len(published)
	for at < end {
		middle := at + (end-at)/2
		start := strings.LastIndexByte(published[:middle], '\n') + 1
		if line := published[start:]; line < mark {
			at = start + strings.IndexByte(line, '\n') + 1
		} else {
			end = start
		}
	}
	line, _, _ := strings.Cut(published[at:], "\n")
	where, found := strings.CutPrefix(line, mark+" ")
	if !found {
		return ""
	}
	return where
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
