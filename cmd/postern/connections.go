package main

import (
	"log/slog"
	"net/netip"

	"github.com/postern-ca/postern/web/limit"
)

const (
	// mostConnections bounds all connections however many files there may be: one
	// costs some 30 kB of memory.
	mostConnections = 16384
	// What the server keeps of the files for itself (database, high-water mark, CRLs,
	// backups, connections to mail servers and SMS providers): an eighth, within these.
	leastOwnFiles, mostOwnFiles = 48, 256
	// fewFiles is the limit below which it is worth a warning.
	fewFiles = 1024
	// mostWaiters is how many requests wait for a change at a time, if that is at most
	// a quarter of the connections of the listener they wait at.
	mostWaiters = 256
	// enoughOfOne is how many connections one address may always have, if that is at
	// most half of those of the listener.
	enoughOfOne = 64
)

// room is how many connections each listener may have. Each has its own share of
// the files, so what is taken of one cannot be missing at another.
type room struct {
	files, own int
	share      map[string]int
	trusted    []netip.Prefix
}

// shares says in which proportions listeners share.
func shares() map[string]int {
	return map[string]int{"public": 4, "plain": 4, "mtls": 4, "admin": 2, "auth": 2}
}

// newRoom divides files among the listeners. Connections of the trusted networks,
// each of which carries many people, count for the listener alone.
func newRoom(files uint64, trusted []netip.Prefix) room {
	r := room{share: make(map[string]int), trusted: trusted, files: mostConnections + mostOwnFiles}
	if files > 0 {
		r.files = int(min(files, uint64(r.files)))
	}
	r.own = min(max(leastOwnFiles, r.files/8), mostOwnFiles)
	parts := 0
	for _, n := range shares() {
		parts += n
	}
	for name, n := range shares() {
		r.share[name] = max(2, (r.files-r.own)*n/parts)
	}
	return r
}

// connections returns the limits of a listener.
func (r room) connections(name string) *limit.Connections {
	return &limit.Connections{Most: r.share[name], OfOne: r.ofOne(name), Exempt: r.trusted}
}

// ofOne returns how many connections one address may have. Who asks /auth are the
// operator's own proxies, few with many connections each.
func (r room) ofOne(name string) int {
	half := r.share[name] / 2
	switch name {
	case "auth":
		return 0
	case "admin":
		return half
	}
	return max(r.share[name]/8, min(half, enoughOfOne))
}

// waiters returns how many requests may wait for a change at a time.
func (r room) waiters() int {
	return max(1, min(mostWaiters, min(r.share["plain"], r.share["public"])/4))
}

// say logs the limits.
func (r room) say(log *slog.Logger) {
	log.Info("connections are limited by the number of files", "files", r.files, "own", r.own,
		"public", r.share["public"], "plain", r.share["plain"], "mtls", r.share["mtls"], "admin", r.share["admin"],
		"auth", r.share["auth"],
		"public_of_an_address", r.ofOne("public"), "waiting", r.waiters())
	if r.files < fewFiles {
		log.Warn("few files may be open, so few connections are possible", "files", r.files,
			"hint", "raise the limit: LimitNOFILE= in the systemd unit, ulimit -n in a shell, --ulimit nofile= for a container")
	}
}
