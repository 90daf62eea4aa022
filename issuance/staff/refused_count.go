package staff

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Refused sign-ins must not fill the database: in an hour, so many of each token and
// certificate that we know have a record of their own, and of others so many from one
// network and from all. The rest is counted, in one record. So neither made-up tokens nor
// somebody else's expired certificate can hide that a revoked token is used.
const (
	refusedWindow = time.Hour
	refusedOfOne  = 8
	refusedOfAll  = 100  // strangers
	mostTold      = 4096 // networks, tokens and certificates that are told apart, of each
)

// refusedKind is whose sign-ins are counted together: its name is in the record of the rest.
type refusedKind string

const (
	ofStrangers    refusedKind = "strangers"
	ofTokens       refusedKind = "tokens"
	ofCertificates refusedKind = "certificates"
)

func kindOf(by issuance.Actor) refusedKind {
	switch {
	case by.ID == "":
		return ofStrangers
	case by.Role == issuance.RoleService:
		return ofCertificates
	}
	return ofTokens
}

// refusals counts the refused sign-ins of an hour. The zero value is ready for use.
type refusals struct {
	mu    sync.Mutex
	since time.Time // zero: nothing was counted yet
	hour
}

// hour is what was counted since.
type hour struct {
	known     map[refusedKind]map[string]int // records by actor's id
	strangers map[netip.Prefix]int           // records by network
	recorded  int                            // of strangers
	rest      map[refusedKind]int            // without a record of their own
	networks  map[netip.Prefix]int           // of the strangers among them
}

// count counts a sign-in by somebody at address, and reports whether it gets a record.
func (r *refusals) count(address string, by issuance.Actor, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since, r.hour = now, hour{
			known:     map[refusedKind]map[string]int{ofTokens: {}, ofCertificates: {}},
			strangers: map[netip.Prefix]int{}, rest: map[refusedKind]int{}, networks: map[netip.Prefix]int{},
		}
	}
	kind := kindOf(by)
	if kind == ofStrangers {
		return r.countStranger(network(address))
	}
	if tally(r.known[kind], by.ID) <= refusedOfOne {
		return true
	}
	r.rest[kind]++
	return false
}

func (r *hour) countStranger(from netip.Prefix) bool {
	if r.recorded < refusedOfAll && r.strangers[from] < refusedOfOne {
		r.strangers[from]++
		r.recorded++
		return true
	}
	r.rest[ofStrangers]++
	tally(r.networks, from)
	return false
}

// tally counts one of key, and returns how many there are by now; more than any limit
// for one that there is no place for.
func tally[K comparable](counts map[K]int, key K) int {
	if _, seen := counts[key]; !seen && len(counts) >= mostTold {
		return mostTold
	}
	counts[key]++
	return counts[key]
}

// ended begins anew if the hour is over, and returns what a record tells of the one
// before, nil if it has nothing to tell.
func (r *refusals) ended(now time.Time) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() || now.Sub(r.since).Abs() < refusedWindow { // the clock may have been ahead
		return nil
	}
	since := r.since
	r.since = time.Time{}
	if len(r.rest) == 0 {
		return nil
	}
	detail := r.told()
	detail["since"] = since.UTC().Format(time.RFC3339)
	return detail
}

// told returns how many have no record of their own: in all, of each kind, and from
// which network most of the strangers came.
func (r *hour) told() map[string]string {
	detail := make(map[string]string)
	more := 0
	for _, kind := range []refusedKind{ofStrangers, ofTokens, ofCertificates} {
		more += r.rest[kind]
		detail[string(kind)] = strconv.Itoa(r.rest[kind])
	}
	detail["more"] = strconv.Itoa(more)
	detail["networks"] = strconv.Itoa(len(r.networks))
	var most netip.Prefix
	for n, count := range r.networks {
		if count > r.networks[most] {
			most = n
		}
	}
	if most.IsValid() {
		detail["most"] = strconv.Itoa(r.networks[most]) + " from " + most.String()
	}
	return detail
}

// network returns what address belongs to, the zero prefix if it is not one.
func network(address string) netip.Prefix {
	a, _ := netip.ParseAddr(address)
	return issuance.NetworkOf(a)
}
