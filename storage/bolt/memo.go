package bolt

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
)

// memo remembers which record some bytes stand for: most of what a transaction
// reads was written or read a moment ago. It goes by the bytes themselves, so it
// is right for every snapshot, and nothing in it ever grows old.
type memo struct {
	seed  maphash.Seed
	slots [memoSlots]atomic.Pointer[memory]
}

// memoSlots is how many records are remembered at most, of about 2 kB each.
const memoSlots = 1 << 12

// memory is one decoded record. Those who get it must not change what it points to.
type memory struct {
	table  string
	raw    []byte
	record any
}

func newMemo() *memo { return &memo{seed: maphash.MakeSeed()} }

func (m *memo) slot(raw []byte) *atomic.Pointer[memory] {
	return &m.slots[maphash.Bytes(m.seed, raw)%memoSlots]
}

// recall returns the record of table that raw stands for, nil if it is not known.
func (m *memo) recall(table string, raw []byte) any {
	known := m.slot(raw).Load()
	if known == nil || known.table != table || !bytes.Equal(known.raw, raw) {
		return nil
	}
	return known.record
}

// keep remembers that raw, which nobody may change any more, stands for record.
func (m *memo) keep(table string, raw []byte, record any) {
	m.slot(raw).Store(&memory{table, raw, record})
}
