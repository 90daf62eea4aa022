package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// chainSchema is the version of the schema that has the audit records as a chain.
const chainSchema = 7

// beginChain is the step to it. The records that are there stay as they are, and
// carry no link; the first of the chain carries one over all of them.
func beginChain(b *bbolt.Tx) error {
	tb := newTables().audit
	records := b.Bucket([]byte(tb.name))
	at, n := issuance.AuditHead{Link: issuance.NoLink}, uint64(0)
	var last []byte
	c := records.Cursor()
	for k, v := c.Last(); k != nil; k, v = c.Prev() {
		at = issuance.AuditHead{Seq: ^number(k), Link: link(at.Link, ^number(k), v)}
		last, n = v, n+1
	}
	if n == 0 {
		return b.Bucket([]byte(metaBucket)).Put([]byte(chainKey), packHead(at))
	}
	newest, err := tb.decode(last)
	if err != nil {
		return err
	}
	r := issuance.FirstLink(newest, n)
	r.Prev = at.Link
	if r.Seq, err = records.NextSequence(); err != nil {
		return fmt.Errorf("numbering the record that begins the chain: %w", err)
	}
	return putChained(b, tb, r)
}

// putChained puts r and its index entries, as the head.
func putChained(b *bbolt.Tx, tb table[issuance.AuditRecord], r issuance.AuditRecord) error {
	raw, err := tb.encode(&r)
	if err != nil {
		return err
	}
	for _, e := range tb.index(r) {
		if e == nil {
			continue
		}
		bucket, entry := tb.spot(e)
		if err := b.Bucket([]byte(bucket)).Put(entry, tb.key(r)); err != nil {
			return err
		}
	}
	if err := b.Bucket([]byte(tb.name)).Put(tb.key(r), raw); err != nil {
		return err
	}
	head := issuance.AuditHead{Seq: r.Seq, Link: link(r.Prev, r.Seq, raw)}
	return b.Bucket([]byte(metaBucket)).Put([]byte(chainKey), packHead(head))
}
