package server

import (
	"cmp"
	"net/http"
	"strconv"
	"time"
)

// DocumentPolicy is the Content-Security-Policy of answers that are not pages.
const DocumentPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// security are the headers that every answer of a listener has, whatever its
// handler: those of redirects and errors, too. A handler may set others instead.
type security struct {
	all   []header
	hsts  header
	quiet bool // no hsts
}

type header struct {
	name  string
	value []string // shared by all answers: full, so that to append is to copy
}

// hstsAge is how long browsers are told to keep to https where nothing else is set.
const hstsAge = 365 * 24 * time.Hour

// newSecurity takes [Options.HSTS].
func newSecurity(hsts time.Duration) security {
	age := strconv.FormatInt(int64(cmp.Or(hsts, hstsAge)/time.Second), 10)
	return security{
		all: []header{
			{"Content-Security-Policy", []string{DocumentPolicy}},
			{"X-Content-Type-Options", []string{"nosniff"}},
			{"Referrer-Policy", []string{"no-referrer"}},
			{"X-Frame-Options", []string{"DENY"}},
			{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
			{"Permissions-Policy", []string{"camera=(), microphone=(), geolocation=(), payment=(), usb=()"}},
		},
		// No includeSubDomains: the operator's other hosts are not ours to decide for.
		hsts:  header{"Strict-Transport-Security", []string{"max-age=" + age}},
		quiet: hsts < 0,
	}
}

// pagesOnly are those that mean something to browsers alone, and only of pages.
var pagesOnly = []string{"Content-Security-Policy", "Referrer-Policy", "X-Frame-Options", "Cross-Origin-Opener-Policy", "Permissions-Policy"}

// set writes the headers of the answer to r.
func (s security) set(h http.Header, r *http.Request) {
	for _, one := range s.all {
		h[one.name] = one.value
	}
	if r.TLS != nil && !s.quiet && !IsLoopbackHost(r.Host) {
		h[s.hsts.name] = s.hsts.value
	}
}
