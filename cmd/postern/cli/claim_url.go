package cli

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/postern-ca/postern/issuance"
)

// mostWrappers is how many mail filters, one after the other, are looked through.
const mostWrappers = 5

// newLink reads the URL from the e-mail, as it is or as a mail filter rewrote it. A code
// is only sent to an address that has the form of a Postern link: any other server would
// learn it, and it is unknown what a filter's server does with it.
func newLink(address string, client *http.Client) (*link, error) {
	address, filters, err := unwrap(tidy(address))
	if err != nil {
		return nil, err
	}
	u, err := readLink(address)
	if err != nil {
		return nil, err
	}
	return &link{base: u, http: client, second: time.Second, filters: filters}, nil
}

// tidy removes what mail programs put around and into links.
func tidy(address string) string {
	address = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, address)
	return strings.Trim(address, `<>()[]{}"'.,;`)
}

// unwrap returns the address that is in those of mail filters, and the names of
// these filters.
func unwrap(address string) (inner string, filters []string, err error) {
	for range mostWrappers {
		u, err := url.Parse(address)
		if err != nil {
			break // as readLink will say
		}
		w, ok := wrapperOf(u)
		if !ok {
			break
		}
		filters = append(filters, w.name)
		if inner = w.inner(u, address); inner == "" {
			return "", nil, w.closed()
		}
		address = tidy(inner)
	}
	return address, filters, nil
}

// readLink returns the URL of a link, without what curl's instructions, mail
// programs and trackers add to it.
func readLink(address string) (*url.URL, error) {
	// A folder for each segment of the public URL's path, then c, then 256 bits in base64url.
	shape := regexp.MustCompile(`^((?:/[A-Za-z0-9._~-]+)*/c/[A-Za-z0-9_-]{43})(?:/claim|/code)?/?$`)
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, notALink()
	}
	path := shape.FindStringSubmatch(u.EscapedPath())
	switch {
	case path == nil:
		return nil, notALink()
	case u.Scheme == "http" && !issuance.IsLoopback(u.Hostname()):
		return nil, issuance.Invalidf("url", "is plain http on another machine: the code would be sent unencrypted", "use https")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, notALink()
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: path[1]}, nil
}

func notALink() error {
	return issuance.Invalidf("url", "is not the link from the e-mail, so nothing was sent there",
		"copy the whole link, for example https://certs.example.com/c/ and 43 letters and digits; if a mail filter "+
			"has rewritten it, open it in a browser and claim there")
}
