package ca

import (
	"math/big"
	"sync"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// ocspTrust is for how long a kept answer is given after the store was last heard.
const ocspTrust = time.Second

// ocspKey is what an answer depends on besides the status.
type ocspKey struct {
	issuer int // index
	hash   ocspHash
	serial [maxSerialOctets]byte
}

func (k ocspKey) serialNumber() issuance.Serial {
	return issuance.SerialOf(new(big.Int).SetBytes(k.serial[:]))
}

// ocspCache keeps signed answers, in two generations: when the young one is full,
// the old one is dropped and it takes its place.
type ocspCache struct {
	max int // answers in both generations

	mu         sync.RWMutex
	young, old map[ocspKey]*Answer
	heard      time.Time // the store's changes until then are known
	version    uint64    // rises with each set of changes

	forgot    chan struct{} // nil: nobody wants to know what was forgotten
	forgotten []ocspKey
}

// get returns a kept answer that still holds at now, nil if there is none.
func (c *ocspCache) get(key ocspKey, now time.Time) *Answer {
	c.mu.RLock()
	a, ok := c.young[key]
	if !ok {
		a, ok = c.old[key]
	}
	heard := c.heard
	c.mu.RUnlock()
	if !ok || now.Sub(heard).Abs() > ocspTrust || now.Before(a.ThisUpdate) ||
		now.Sub(a.ThisUpdate) > a.NextUpdate.Sub(a.ThisUpdate)/2 {
		return nil
	}
	return a
}

// changes returns the version that put needs. It is to be taken before the
// status is read.
func (c *ocspCache) changes() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version
}

// put keeps a, unless there were changes since before: one of them may be of the
// status that a was made of.
func (c *ocspCache) put(key ocspKey, a *Answer, before uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != before {
		return
	}
	if c.young == nil || len(c.young) >= max(c.max/2, 1) {
		c.old, c.young = c.young, make(map[ocspKey]*Answer)
	}
	c.young[key] = a
}

// changed drops what is kept under keys. If at is not zero, the store had no
// other changes at that time.
func (c *ocspCache) changed(keys []ocspKey, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(keys) > 0 {
		c.version++
	}
	for _, key := range keys {
		delete(c.young, key)
		delete(c.old, key)
	}
	if c.forgot != nil && len(keys) > 0 {
		c.forgotten = append(c.forgotten, keys...)
		signal(c.forgot)
	}
	if !at.IsZero() {
		c.heard = at
	}
}

// clear drops everything. The store had no other changes at the time at.
func (c *ocspCache) clear(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	c.young, c.old, c.heard = nil, nil, at
}

// tellForgotten has the keys of what is dropped because of a change collected for
// takeForgotten; forgot then gets a signal.
func (c *ocspCache) tellForgotten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgot = make(chan struct{}, 1)
}

func (c *ocspCache) takeForgotten() []ocspKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := c.forgotten
	c.forgotten = nil
	return keys
}

// room lets n answers be kept.
func (c *ocspCache) room(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.max = n
}
