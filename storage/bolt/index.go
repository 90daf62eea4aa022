package bolt

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// An index entry is a key in the table's index bucket, with the record's key as
// its value:
//
//	tag (1 byte) | each value that must match, with its length | place
//
// All entries with the same tag and values are one ordered list of records;
// place is where a record stands in it. Lists that are intersected have the
// same kind of place.
//
// What belongs to an order is found by entries in the orders' own bucket, right
// behind the order. It mostly changes when the order does: then both are on the
// same page, and one page less is written.

// tag tells the indexes of one table apart.
type tag byte

// entry returns the key of an index entry, or nil, for no entry, if one of the
// values that it is found by is empty.
func entry[S ~string](t tag, place []byte, values ...S) []byte {
	for _, v := range values {
		if v == "" {
			return nil
		}
	}
	return append(prefix(t, values...), place...)
}

// prefix returns how the keys of all entries with tag and values begin.
func prefix[S ~string](t tag, values ...S) []byte {
	out := []byte{byte(t)}
	for _, v := range values {
		out = binary.AppendUvarint(out, uint64(len(v)))
		out = append(out, v...)
	}
	return out
}

// isOrderID reports whether id can be an order's: a zero byte ends an order's id
// in the keys of what stands behind it.
func isOrderID(id issuance.OrderID) bool { return strings.IndexByte(string(id), 0) < 0 }

// besideOrder is entry for a record of table that belongs to the order with id.
func besideOrder(table byte, id issuance.OrderID, place []byte) []byte {
	if id == "" {
		return nil
	}
	return append(besideOrderPrefix(table, id), place...)
}

// besideOrderPrefix is prefix for the same. Nothing begins with that of an id
// that can be no order's.
func besideOrderPrefix(table byte, id issuance.OrderID) []byte {
	if !isOrderID(id) {
		return []byte{byte(byOrder), 0}
	}
	out := append([]byte{byte(byOrder)}, id...)
	return append(out, 0, table)
}

// indexSuffix follows the name of a table in that of the bucket with its lists.
const indexSuffix = ".index"

// findSuffix follows the name of a table in that of the bucket by whose entries
// people find its records. They stand in no order that records are made in, so
// they have pages of their own.
const findSuffix = ".find"

// keySuffix follows the name of a table in that of the bucket with the marks of its
// records' keys, which stand in no order either.
const keySuffix = ".keys"

// endSuffix follows the name of a table in that of the bucket with its lists by when
// records end.
const endSuffix = ".ends"

// spot returns the bucket and the key in it of an entry, or prefix, of tb.
func (tb table[R]) spot(entry []byte) (bucket string, key []byte) {
	switch t := tag(entry[0]); {
	case t == byOrder:
		return ordersBucket, entry[1:]
	case t >= byName && t <= byHolder, t == byRevocation:
		return tb.name + findSuffix, entry
	case t == byExpiry, t == byNeed:
		return tb.name + endSuffix, entry
	case t == byKey:
		return tb.name + keySuffix, entry
	}
	return tb.name + indexSuffix, entry
}

// instantLength is how many bytes an instant has.
const instantLength = 12

// instant returns bytes that sort as times do.
func instant(t time.Time) []byte {
	out := binary.BigEndian.AppendUint64(nil, uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(out, uint32(t.Nanosecond()))
}

// timeOf is the inverse of instant.
func timeOf(b []byte) time.Time {
	seconds := int64(binary.BigEndian.Uint64(b) ^ 1<<63)
	return time.Unix(seconds, int64(binary.BigEndian.Uint32(b[8:]))).UTC()
}

// oldest returns a place that sorts by time, then by id.
func oldest[S ~string](t time.Time, id S) []byte { return append(instant(t), id...) }

// newest returns a place that sorts the other way round: every bit is turned,
// and what ends a longer id sorts before what ends a shorter one.
func newest[S ~string](t time.Time, id S) []byte {
	out := oldest(t, id)
	for i := range out {
		out[i] = ^out[i]
	}
	return append(out, 0xff)
}

// earlier returns the first place of [newest] behind all that have time t or a later one.
func earlier(t time.Time) []byte {
	out := instant(t.Add(-1))
	for i := range out {
		out[i] = ^out[i]
	}
	return out
}

// list is one ordered list of records.
type list struct {
	bucket *bbolt.Bucket
	prefix []byte
}

// walk calls f with the place and value of everything that stands in all lists,
// in their order, from the first place that is not before from, until f returns
// false. Each list in turn jumps to the place that the one before it has
// reached, so the cost is bounded by the shortest list.
func walk(lists []list, from []byte, f func(place, value []byte) bool) {
	cursors := make([]*bbolt.Cursor, len(lists))
	for i, l := range lists {
		cursors[i] = l.bucket.Cursor()
	}
	target, agreed := bytes.Clone(from), 0
	for i := 0; ; i = (i + 1) % len(lists) {
		head := lists[i].prefix
		k, v := cursors[i].Seek(append(head[:len(head):len(head)], target...))
		if k == nil || !bytes.HasPrefix(k, head) {
			return
		}
		if place := k[len(head):]; agreed == 0 || !bytes.Equal(place, target) {
			target, agreed = bytes.Clone(place), 1
		} else {
			agreed++
		}
		if agreed < len(lists) {
			continue
		}
		if !f(target, v) {
			return
		}
		target, agreed = after(target), 0
	}
}

// after returns the first possible place behind place.
func after(place []byte) []byte { return append(bytes.Clone(place), 0) }

// cursorOf returns the cursor of a listing that has come to place. It holds the
// place itself, and so stays right when records come and go.
func cursorOf(listing string, place []byte) string {
	sum := crc32.NewIEEE()
	sum.Write([]byte(listing))
	sum.Write(place)
	return base64.RawURLEncoding.EncodeToString(sum.Sum(place))
}

// placeOf returns where the listing goes on after cursor.
func placeOf(listing, cursor string) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil && len(b) > crc32.Size {
		place := b[:len(b)-crc32.Size]
		if cursorOf(listing, place) == cursor {
			return after(place), nil
		}
	}
	return nil, issuance.Invalidf("cursor", "this cursor is not from this list",
		"start without a cursor, then use the one returned with the previous page")
}
