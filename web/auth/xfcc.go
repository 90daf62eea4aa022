package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// fromXFCC reads Envoy's x-forwarded-client-cert: pairs of one element, of which
// Cert is the client's certificate and Chain all that it has sent, the client's
// first. An element is one hop; a second one would be what a client, or a proxy
// in front, has to say.
//
// Envoy does not quote the URI of a certificate, whoever made that: so a pair
// that comes twice is refused, and Hash must be that of the certificate.
func fromXFCC(s string) ([][]byte, error) {
	pairs, err := xfccPairs(s)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	if chain, ok := pairs["chain"]; ok {
		if all, err = fromEscapedPEM(chain); err != nil {
			return nil, err
		}
	}
	if cert, ok := pairs["cert"]; ok {
		one, err := single(fromEscapedPEM(cert))
		if err != nil {
			return nil, err
		}
		if all != nil && string(all[0]) != string(one[0]) {
			return nil, errSecond()
		}
		if all == nil {
			all = one
		}
	}
	if all == nil {
		return nil, errMalformed("it has neither Cert nor Chain: set_current_client_cert_details must ask for one")
	}
	if hash, ok := pairs["hash"]; ok {
		if sum := sha256.Sum256(all[0]); !strings.EqualFold(hash, hex.EncodeToString(sum[:])) {
			return nil, errMalformed("its Hash is that of another certificate")
		}
	}
	return all, nil
}

// xfccPairs returns the pairs that matter of the one element in s, by their keys
// in lower case.
func xfccPairs(s string) (map[string]string, error) {
	pairs := make(map[string]string, 3)
	for {
		key, rest, ok := strings.Cut(s, "=")
		if key = strings.ToLower(key); !ok || key == "" || strings.ContainsAny(key, "\";, \t") {
			return nil, errMalformed("key=value was expected")
		}
		value, rest, err := xfccValue(rest)
		if err != nil {
			return nil, err
		}
		if key == "cert" || key == "chain" || key == "hash" {
			if _, twice := pairs[key]; twice {
				return nil, errSecond()
			}
			pairs[key] = value
		}
		switch {
		case rest == "":
			return pairs, nil
		case rest[0] == ',':
			return nil, errSecond()
		case rest[0] != ';':
			return nil, errMalformed("something follows a quoted value")
		}
		s = rest[1:]
	}
}

// xfccValue takes a value off the beginning of s: up to ; or , or in double
// quotes, in which a backslash lets a quote stand.
func xfccValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		if i := strings.IndexAny(s, ";,"); i >= 0 {
			return s[:i], s[i:], nil
		}
		return s, "", nil
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[1:i], s[i+1:], nil
		}
	}
	return "", "", errMalformed("a quote has no end")
}
