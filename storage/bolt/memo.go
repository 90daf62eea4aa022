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

// places returns the neighbouring slots that raw may be in: two, so that two records
// that are asked for in turn do not push each other out.
func (m *memo) places(raw []byte) []atomic.Pointer[memory] {
	i := maphash.Bytes(m.seed, raw) % (memoSlots / 2) * 2
	return m.slots[i : i+2]
}

// recall returns the record of table that raw stands for, nil if it is not known.
func (m *memo) recall(table string, raw []byte) any {
	places := m.places(raw)
	for i := range places {
		if known := places[i].Load(); known != nil && known.table == table && bytes.Equal(known.raw, raw) {
			return known.record
		}
	}
	return nil
}

// keep remembers that raw, which nobody may change any more, stands for record.
func (m *memo) keep(table string, raw []byte, record any) {
	places := m.places(raw)
	if old := places[0].Swap(&memory{table, raw, record}); old != nil {
		places[1].Store(old)
	}
}
