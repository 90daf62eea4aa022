package ca

import (
	"bytes"
	"slices"
	"sort"
)

// crlChunk is the most bytes a chunk holds: small enough that rewriting one
// costs microseconds, large enough that a million entries need few of them.
const crlChunk = 8 << 10

// crlEntries are the entries of one CRL in DER, in the order of their serial
// numbers. They lie in chunks of which a snapshot shares all that did not change
// since: no byte that a snapshot can see is ever written again. The order is
// the index: a serial number is found by halving, then by walking one chunk.
//
// One goroutine at a time may change it. An entry is at most 129 bytes long, so
// that every length in it is one byte.
type crlEntries struct {
	chunks  [][]byte
	last    []byte // no serial number is higher
	size    int64  // bytes of all entries
	count   int
	version uint64 // rises with every change
}

// entryAt returns the first entry of b and its serial number, both as they lie in b.
func entryAt(b []byte) (entry, serial []byte) {
	return b[:2+int(b[1])], b[4 : 4+int(b[3])]
}

// compareSerials orders the contents of two DER integers that are not negative by value.
func compareSerials(a, b []byte) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// put adds entry, or puts it in the place of the one with its serial number.
func (e *crlEntries) put(entry []byte) {
	e.version++
	_, serial := entryAt(entry)
	if len(e.chunks) == 0 || compareSerials(serial, e.last) > 0 {
		e.append(entry)
		return
	}
	i := e.chunkOf(serial)
	at, end := locate(e.chunks[i], serial)
	if at == end {
		e.count++
	}
	e.replace(i, at, end, entry)
}

// append adds an entry behind the last one. What snapshots see of the last chunk
// ends before it.
func (e *crlEntries) append(entry []byte) {
	n := len(e.chunks)
	if n == 0 || len(e.chunks[n-1])+len(entry) > crlChunk {
		e.chunks = append(e.chunks, make([]byte, 0, crlChunk))
		n++
	}
	e.chunks[n-1] = append(e.chunks[n-1], entry...)
	e.size += int64(len(entry))
	e.count++
	_, serial := entryAt(entry)
	e.last = bytes.Clone(serial)
}

// remove takes the entry of a serial number out, if there is one.
func (e *crlEntries) remove(serial []byte) {
	if len(e.chunks) == 0 {
		return
	}
	i := e.chunkOf(serial)
	at, end := locate(e.chunks[i], serial)
	if at == end {
		return
	}
	e.version++
	e.count--
	e.replace(i, at, end, nil)
}

// replace writes chunk i anew with entry in the place of the bytes from at to end.
func (e *crlEntries) replace(i, at, end int, entry []byte) {
	chunk := slices.Concat(e.chunks[i][:at], entry, e.chunks[i][end:])
	e.size += int64(len(entry) - (end - at))
	e.chunks[i] = chunk
	switch {
	case len(chunk) == 0:
		e.chunks = slices.Delete(e.chunks, i, i+1)
	case len(chunk) > crlChunk:
		middle := 0
		for middle < len(chunk)/2 {
			first, _ := entryAt(chunk[middle:])
			middle += len(first)
		}
		e.chunks[i] = bytes.Clone(chunk[:middle])
		e.chunks = slices.Insert(e.chunks, i+1, bytes.Clone(chunk[middle:]))
	case i+1 < len(e.chunks) && len(chunk)+len(e.chunks[i+1]) < crlChunk/2:
		e.chunks[i] = slices.Concat(chunk, e.chunks[i+1])
		e.chunks = slices.Delete(e.chunks, i+1, i+2)
	}
}

// chunkOf returns the index of the one chunk that may hold serial; there must be chunks.
func (e *crlEntries) chunkOf(serial []byte) int {
	after := sort.Search(len(e.chunks), func(i int) bool {
		_, first := entryAt(e.chunks[i])
		return compareSerials(first, serial) > 0
	})
	return max(after-1, 0)
}

// locate returns where in chunk the entry of serial begins and ends; both are
// where it would belong if it is not there.
func locate(chunk, serial []byte) (at, end int) {
	for at < len(chunk) {
		entry, s := entryAt(chunk[at:])
		switch c := compareSerials(s, serial); {
		case c == 0:
			return at, at + len(entry)
		case c > 0:
			return at, at
		}
		at += len(entry)
	}
	return at, at
}

// snapshot returns the entries as they are now, for any number of readers.
func (e *crlEntries) snapshot() crlSnapshot {
	return crlSnapshot{chunks: slices.Clone(e.chunks), size: e.size, count: e.count, version: e.version}
}

// crlSnapshot is the entries of a CRL at one moment.
type crlSnapshot struct {
	chunks  [][]byte
	size    int64
	count   int
	version uint64
}
