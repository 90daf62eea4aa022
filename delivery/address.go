package delivery

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/postern-ca/postern/issuance"
)

// ASCIIAddress returns an e-mail address whose domain is written in ASCII, as mail
// servers know it (RFC 5890): anna@müller.example becomes
// anna@xn--mller-kva.example. It returns an error of kind [issuance.Invalid] on
// field "email" if the domain has no such form, or if the part before the @ needs
// SMTPUTF8 (RFC 6531), which many servers do not support. It checks nothing else:
// text that is not an address is returned unchanged.
func ASCIIAddress(address string) (string, error) {
	address = strings.TrimSpace(address)
	at := strings.LastIndexByte(address, '@')
	if at < 0 || isASCII(address) {
		return address, nil
	}
	local, domain := address[:at], address[at+1:]
	if !isASCII(local) {
		return "", issuance.Invalidf("email", "has letters before the @ that need SMTPUTF8, which many mail servers do not support",
			"use an address with a to z and digits before the @")
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !IsHelloName(ascii) {
		return "", issuance.Invalidf("email", "has a domain that cannot exist: "+oneLine(domain, quoteLimit),
			"check its spelling, for example anna@customer.example")
	}
	return local + "@" + ascii, nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
