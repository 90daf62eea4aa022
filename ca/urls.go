package ca

import (
	"net/url"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// URLs gives the addresses of CRLs, OCSP answers and CA certificates. Every
// certificate contains them until it expires, so Base must remain reachable.
type URLs struct {
	// Base is a plain http URL, for example http://pki.example.com. It is not
	// https, because a client that downloads a CRL over TLS may need that CRL to do
	// so (RFC 5280, section 8).
	Base string
}

// CRL returns the address of the CRL with that name: an issuer's id, or the name of
// a shard or delta (RFC 5280, section 4.2.1.13).
func (u URLs) CRL(name string) string { return u.base() + "/pki/crl/" + name + ".crl" }

// OCSP returns the address of the OCSP responder (RFC 5280, section 4.2.2.1).
func (u URLs) OCSP() string { return u.base() + "/ocsp" }

// Certificate returns the address of issuer's certificate in DER (RFC 5280,
// section 4.2.2.1, id-ad-caIssuers).
func (u URLs) Certificate(issuer string) string { return u.base() + "/pki/" + issuer + ".cer" }

func (u URLs) base() string { return strings.TrimRight(u.Base, "/") }

// check returns an error of kind Invalid if certificates cannot carry u.
func (u URLs) check() error {
	p, err := url.Parse(u.Base)
	switch {
	case err != nil, p.Host == "", p.User != nil, p.RawQuery != "", p.Fragment != "", strings.ContainsAny(u.Base, " ?#"):
		return issuance.Invalidf("plain.url", "is not a URL that certificates can contain",
			"use scheme and host, for example http://pki.example.com")
	case p.Scheme != "http":
		return issuance.Invalidf("plain.url", "is not an http URL",
			"use a URL like http://pki.example.com: what it serves is signed, and RFC 5280, section 8, advises "+
				"against https here")
	}
	for _, r := range u.Base {
		if r <= ' ' || r > '~' {
			return issuance.Invalidf("plain.url", "is not ASCII",
				"write the host name in its ASCII form, for example http://xn--pki-dma.example")
		}
	}
	return nil
}
