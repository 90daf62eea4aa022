package auth

import (
	"encoding/base64"
	"net/url"
	"strings"
)

const (
	beginPEM = "-----BEGIN CERTIFICATE-----\n"
	endPEM   = "-----END CERTIFICATE-----"
)

// single refuses all but one certificate.
func single(all [][]byte, err error) ([][]byte, error) {
	if err == nil && len(all) != 1 {
		return nil, errSecond()
	}
	return all, err
}

// fromBase64 reads base64 (RFC 4648, section 4) in its one canonical form.
func fromBase64(s string) ([]byte, error) {
	if s == "" || strings.ContainsAny(s, "\r\n") {
		return nil, errMalformed("base64 was expected on one line")
	}
	der, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errMalformed("it is not base64")
	}
	return der, nil
}

// unescape takes URL-encoding off, once. What was encoded twice is no
// certificate afterwards.
func unescape(s string) (string, error) {
	plain, err := url.PathUnescape(s) // unlike a query's, a + stays one
	if err != nil {
		return "", errMalformed("it is not URL-encoded")
	}
	return plain, nil
}

// fromEscapedPEM reads one or more certificates in PEM, URL-encoded.
func fromEscapedPEM(s string) ([][]byte, error) {
	text, err := unescape(s)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for len(all) == 0 || text != "" {
		body, ok := strings.CutPrefix(text, beginPEM)
		if !ok {
			return nil, errMalformed("PEM was expected")
		}
		body, rest, ok := strings.Cut(body, endPEM)
		if !ok {
			return nil, errMalformed("the PEM has no end")
		}
		der, err := fromBase64(strings.ReplaceAll(body, "\n", ""))
		if err != nil {
			return nil, err
		}
		all, text = append(all, der), strings.TrimPrefix(rest, "\n")
	}
	return all, nil
}

// fromTraefik reads what passTLSClientCert writes: all certificates that the
// client has sent, PEM without its markers and line breaks, commas in between.
// Traefik 2 URL-encoded that at first.
func fromTraefik(s string) ([][]byte, error) {
	if strings.Contains(s, "%") {
		var err error
		if s, err = unescape(s); err != nil {
			return nil, err
		}
	}
	var all [][]byte
	for part := range strings.SplitSeq(s, ",") {
		der, err := fromBase64(part)
		if err != nil {
			return nil, err
		}
		all = append(all, der)
	}
	return all, nil
}

// fromClientCert reads the two fields of RFC 9440: a Byte Sequence, and a List of
// them (RFC 8941, sections 3.3.5 and 3.1). Parameters are defined for neither.
func fromClientCert(cert, chain string) ([][]byte, error) {
	leaf, err := byteSequence(cert)
	if err != nil {
		return nil, err
	}
	all := [][]byte{leaf}
	if chain == "" {
		return all, nil
	}
	for part := range strings.SplitSeq(chain, ",") {
		der, err := byteSequence(strings.Trim(part, " \t"))
		if err != nil {
			return nil, err
		}
		all = append(all, der)
	}
	return all, nil
}

func byteSequence(s string) ([]byte, error) {
	if len(s) < 2 || s[0] != ':' || s[len(s)-1] != ':' {
		return nil, errMalformed("a Byte Sequence was expected, for example :MII...:")
	}
	return fromBase64(s[1 : len(s)-1])
}
