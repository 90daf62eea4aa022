package staff

import (
	"context"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Why a sign-in was refused, in the detail of its audit record.
const (
	UnknownToken     = "unknown token" // made up, mistyped, or of another server
	ExpiredToken     = "expired token"
	RevokedToken     = "revoked token"
	UnconfirmedToken = "unconfirmed token"  // another person has not confirmed it
	WrongRole        = "role"               // the token is valid, and may not do what was asked for
	WrongCertificate = "client certificate" // it does not stand
	WrongProxy       = "proxy"              // it has not proven who it is
)

// Refused sign-ins must not fill the database: in an hour, so many of one network
// and of all have a record of their own. The others are counted, in one record. Those
// of somebody whom we know are counted by who it is, and tokens and certificates apart:
// neither made-up tokens nor somebody's expired certificate hide the use of a revoked token.
const (
	refusedWindow  = time.Hour
	refusedOfOne   = 8
	refusedOfAll   = 100
	mostNetworks   = 4096 // that are told apart
	severalRefused = "more"
	severalKnown   = "more_known"
)

// refusals counts the refused sign-ins of an hour. The zero value is ready for use.
type refusals struct {
	mu       sync.Mutex
	since    time.Time // zero: nothing was counted yet
	own      map[group]int
	ownAll   map[class]int
	more     int // of strangers, without a record of their own
	known    int // of others
	networks map[netip.Prefix]int
}

// class is those who share the limit of all.
type class int

const (
	strangers class = iota
	tokens
	certificates
)

// group is those who share the limit of one: a stranger's network, or who it is.
type group struct {
	class
	of string
}

func groupOf(by issuance.Actor, why string, from netip.Prefix) group {
	switch {
	case by.ID == "":
		return group{strangers, from.String()}
	case why == WrongCertificate:
		return group{certificates, by.ID}
	}
	return group{tokens, by.ID}
}

// Refuse records that somebody was not let in: by is who it was, the zero Actor if
// nobody knows. The secret that was shown is never recorded. An error is logged:
// whoever is refused must not learn of it.
func (o *Office) Refuse(ctx context.Context, by issuance.Actor, why, asked string) {
	// The client may go away, and it must be on record all the same.
	ctx = context.WithoutCancel(ctx)
	o.tell(ctx, o.refused.ended(o.Desk.Now()))
	from := network(issuance.OriginOf(ctx).Address)
	if !o.refused.count(groupOf(by, why, from), from, o.Desk.Now()) {
		return
	}
	if by.ID == "" {
		by = issuance.Actor{Role: issuance.RoleStranger}
	}
	detail := map[string]string{"reason": why}
	if asked != "" {
		detail["asked"] = asked
	}
	o.record(ctx, by, detail)
}

// TellRefused records how many sign-ins of the hour that is over were refused
// without a record of their own; with all, those of the hour that is not over, too.
func (o *Office) TellRefused(ctx context.Context, all bool) {
	at := o.Desk.Now()
	if all {
		at = at.Add(refusedWindow)
	}
	o.tell(ctx, o.refused.ended(at))
}

func (o *Office) tell(ctx context.Context, detail map[string]string) {
	if detail != nil {
		o.record(issuance.WithOrigin(ctx, issuance.Origin{}), issuance.System("sign-in"), detail)
	}
}

func (o *Office) record(ctx context.Context, by issuance.Actor, detail map[string]string) {
	err := issuance.Do(ctx, o.Desk, o.Store, func(_ Tx, e *issuance.Entry) error {
		e.Audit(by, issuance.RefuseVerb, issuance.AuditRecord{Detail: detail})
		return nil
	})
	if err != nil {
		o.Desk.Log.Error("a refused sign-in could not be recorded", "error", err)
	}
}

// count counts a sign-in, and reports whether it gets a record.
func (r *refusals) count(of group, from netip.Prefix, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since, r.own, r.ownAll, r.networks = now, map[group]int{}, map[class]int{}, map[netip.Prefix]int{}
	}
	if r.own[of] < refusedOfOne && r.ownAll[of.class] < refusedOfAll {
		r.own[of]++
		r.ownAll[of.class]++
		return true
	}
	if of.class == strangers {
		r.more++
	} else {
		r.known++
	}
	if _, seen := r.networks[from]; seen || len(r.networks) < mostNetworks {
		r.networks[from]++
	}
	return false
}

// ended begins anew if the hour is over, and returns what a record tells of the one
// before, nil if it has nothing to tell.
func (r *refusals) ended(now time.Time) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() || now.Sub(r.since).Abs() < refusedWindow { // the clock may have been ahead
		return nil
	}
	since, more, known, networks := r.since, r.more, r.known, r.networks
	r.since, r.more, r.known = time.Time{}, 0, 0
	if more+known == 0 {
		return nil
	}
	detail := map[string]string{
		severalRefused: strconv.Itoa(more), severalKnown: strconv.Itoa(known),
		"since": since.UTC().Format(time.RFC3339), "networks": strconv.Itoa(len(networks)),
	}
	var most netip.Prefix
	for n, count := range networks {
		if count > networks[most] {
			most = n
		}
	}
	if most.IsValid() {
		detail["most"] = strconv.Itoa(networks[most]) + " from " + most.String()
	}
	return detail
}

// network returns what address belongs to: an IPv6 host has a /64 to send from.
func network(address string) netip.Prefix {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 32
	if a = a.Unmap().WithZone(""); a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
