package admin

import (
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/limit"
	"github.com/postern-ca/postern/web/server"
)

// maxBody is the maximum size of a request's body in bytes; bodies are a few hundred
// bytes.
const maxBody = 1 << 20

// maxText is the maximum length of a parameter in the address.
const maxText = 512

// call is one request to the API, with its caller.
type call struct {
	r  *http.Request
	w  http.ResponseWriter
	by issuance.Actor
}

// part returns a variable of the path.
func (c *call) part(name string) string { return mux.Vars(c.r)[name] }

func (c *call) serial() (issuance.Serial, error) { return issuance.ParseSerial(c.part("serial")) }

// read reads the body into fields. A member that is not in fields or has the wrong type
// is an error that names it. An empty body has no fields.
func (c *call) read(fields fields) ([]byte, error) {
	if err := c.noQuery(); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if err != nil {
		return nil, readError(err)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	if err := checkMediaType(c.r.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	return raw, decode(raw, fields)
}

// readNothing is read for verbs that take no fields. An empty comment is accepted,
// because some clients use one form for all verbs; any other comment would be lost, so
// it is refused.
func (c *call) readNothing() error {
	var comment string
	if _, err := c.read(fields{"comment": text(&comment)}); err != nil {
		return err
	}
	if comment != "" {
		return issuance.Invalidf("comment", "is not allowed here", "omit it")
	}
	return nil
}

// create is read for requests that create something: the same Idempotency-Key creates it
// once.
func (c *call) create(fields fields) (issuance.Once, error) {
	raw, err := c.read(fields)
	if err != nil {
		return issuance.Once{}, err
	}
	keys := c.r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return issuance.Once{}, nil
	}
	key := strings.Trim(keys[0], `"`)
	printable := !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
	if len(keys) > 1 || key == "" || len(key) > 255 || !printable {
		return issuance.Once{}, issuance.Invalidf("Idempotency-Key", "is not a key",
			"use 1 to 255 printable ASCII characters without spaces, for example a UUID")
	}
	whole := c.r.Method + " " + c.r.URL.Path + "\n" + string(raw)
	return issuance.Once{Key: key, Request: issuance.DigestOf(issuance.NewSecret([]byte(whole)))}, nil
}

// noQuery refuses parameters in the address of an endpoint that takes none.
func (c *call) noQuery() error { return c.query().err }

// query reads the address's parameters; those not in names, cursor or limit are an error.
func (c *call) query(names ...string) *query {
	q := &query{}
	if c.r.URL.RawQuery == "" {
		return q
	}
	q.values, q.err = url.ParseQuery(c.r.URL.RawQuery)
	if q.err != nil {
		q.err = &issuance.Error{
			Kind: issuance.Invalid, Code: server.CodeSyntax,
			Message: "the query parameters are not well-formed",
			Hint:    "write them as name=value, joined by & and percent-encoded",
		}
		return q
	}
	for _, name := range slices.Sorted(keysOf(q.values)) {
		values := q.values[name]
		switch {
		case !slices.Contains(names, name):
			q.refuse(shorten(name), "is not a known parameter", "omit it"+orUse(names))
		case len(values) > 1:
			q.refuse(name, "appears more than once", "use it once")
		case len(values[0]) > maxText:
			q.refuse(name, "is longer than "+strconv.Itoa(maxText)+" characters", "shorten it")
		}
	}
	return q
}

// listing is query with the parameters that every list has.
func (c *call) listing(names ...string) *query {
	return c.query(append(names, "cursor", "limit")...)
}

// query is the parameters of an address. The first error stays in err.
type query struct {
	values url.Values
	err    error
}

func (q *query) refuse(name, message, hint string) {
	if q.err == nil {
		q.err = issuance.Invalidf(name, message, hint)
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

// party returns whose records are listed, as typed.
func (q *query) party() issuance.Party {
	return issuance.Party{
		Organization: issuance.OrgID(q.text("organization")), Service: issuance.ServiceID(q.text("service")),
		Contact: issuance.ContactID(q.text("contact")), Order: issuance.OrderID(q.text("order")),
	}
}

func (q *query) page() issuance.Page {
	p := issuance.Page{After: q.text("cursor")}
	if !q.values.Has("limit") {
		return p
	}
	n, err := strconv.Atoi(q.text("limit"))
	if err != nil || n < 1 || n > issuance.MaxPage {
		q.refuse("limit", "is not a number from 1 to "+strconv.Itoa(issuance.MaxPage), "use one, or omit it for 50")
	}
	p.Limit = n
	return p
}

func (q *query) serial(name string) issuance.Serial {
	if !q.values.Has(name) {
		return ""
	}
	s, err := issuance.ParseSerial(q.text(name))
	if err != nil {
		q.refuse(name, "is not a serial number", issuance.SerialHint)
	}
	return s
}

// network reads an address or a network.
func (q *query) network(name string) netip.Prefix {
	if !q.values.Has(name) {
		return netip.Prefix{}
	}
	if a, err := netip.ParseAddr(q.text(name)); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen())
	}
	p, err := netip.ParsePrefix(q.text(name))
	if mapped := p.Addr().Is4In6(); mapped && p.Bits() >= 96 { // addresses are recorded without it
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	} else if err != nil || mapped {
		q.refuse(name, "is not an address or a network", "write it like 192.0.2.7 or 192.0.2.0/24")
	}
	return limit.Unmapped(p)
}

func (q *query) time(name string) time.Time {
	if !q.values.Has(name) {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, q.text(name))
	if err != nil {
		q.refuse(name, "is not a time", "use the RFC 3339 format, for example 2027-01-31T00:00:00Z")
	}
	return t
}

// oneOf returns the parameter name, which must be one of choices if it is given.
func oneOf[T ~string](q *query, name string, choices ...T) T {
	v := T(q.text(name))
	if !q.values.Has(name) || slices.Contains(choices, v) {
		return v
	}
	all := make([]string, len(choices))
	for i, c := range choices {
		all[i] = string(c)
	}
	q.refuse(name, "there is no "+strconv.Quote(shorten(string(v))), "choose one of "+strings.Join(all, ", "))
	return ""
}
