package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// table keeps the records of one type, each under its key, and their index
// entries.
type table[R any] struct {
	name string
	key  func(R) []byte
	// index returns the record's entries, the same number for each record, nil
	// where there is none.
	index func(R) [][]byte
	// forget says that the records are hardly ever read again as they are: they are not remembered.
	forget bool
}

func (tb table[R]) get(t *tx, key []byte) (r R, err error) {
	raw, err := t.get(tb.name, key)
	if err != nil {
		return r, err
	}
	return tb.recall(t.s.memo, raw)
}

// find returns the record of the one index entry.
func (tb table[R]) find(t *tx, entry []byte) (r R, err error) {
	if entry == nil {
		return r, issuance.ErrNotFound
	}
	bucket, entry := tb.spot(entry)
	key, err := t.get(bucket, entry)
	if err != nil {
		return r, err
	}
	return tb.get(t, key)
}

func (tb table[R]) decode(raw []byte) (r R, err error) {
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("reading a record of %s: %w", tb.name, err)
	}
	return r, nil
}

// encode returns the bytes that are kept of r, which becomes the store's own.
func (tb table[R]) encode(r *R) ([]byte, error) {
	own(reflect.ValueOf(r).Elem())
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("writing a record of %s: %w", tb.name, err)
	}
	return raw, nil
}

// recall is decode of what was often decoded or written just before.
func (tb table[R]) recall(m *memo, raw []byte) (R, error) {
	if r, known := m.recall(tb.name, raw).(R); known {
		return r, nil
	}
	r, err := tb.decode(raw)
	if err == nil {
		own(reflect.ValueOf(&r).Elem())
		if !tb.forget {
			m.keep(tb.name, bytes.Clone(raw), r)
		}
	}
	return r, err
}

// put adds or replaces r, and brings its index entries up to date.
func (tb table[R]) put(t *tx, r R) error {
	_, err := tb.exchange(t, r)
	return err
}

// exchange is put, and returns what was there before of a table with an index;
// the zero R if there was nothing.
func (tb table[R]) exchange(t *tx, r R) (before R, err error) {
	key := tb.key(r)
	if len(key) == 0 {
		return before, fmt.Errorf("keeping a record of %s: it has no id", tb.name)
	}
	raw, err := tb.encode(&r)
	if err != nil {
		return before, err
	}
	was, err := t.get(tb.name, key)
	if err == nil && bytes.Equal(was, raw) {
		return r, nil
	}
	if err != nil && !errors.Is(err, issuance.ErrNotFound) {
		return before, err
	}
	entries := tb.index(r)
	old := make([][]byte, len(entries))
	if was != nil && len(entries) > 0 {
		if before, err = tb.recall(t.s.memo, was); err != nil {
			return before, err
		}
		old = tb.index(before)
	}
	for i, e := range entries {
		if bytes.Equal(e, old[i]) {
			continue
		}
		if err := tb.replace(t, old[i], e, key); err != nil {
			return before, err
		}
	}
	if !tb.forget {
		t.s.memo.keep(tb.name, raw, r)
	}
	return before, t.put(tb.name, key, raw)
}

func (tb table[R]) replace(t *tx, old, entry, key []byte) error {
	if old != nil {
		bucket, old := tb.spot(old)
		if err := t.delete(bucket, old); err != nil {
			return err
		}
	}
	if entry == nil {
		return nil
	}
	bucket, entry := tb.spot(entry)
	return t.put(bucket, entry, key)
}

// remove deletes r and its index entries.
func (tb table[R]) remove(t *tx, r R) error {
	for _, e := range tb.index(r) {
		if err := tb.replace(t, e, nil, nil); err != nil {
			return err
		}
	}
	return t.delete(tb.name, tb.key(r))
}

// query asks for a part of a listing.
type query struct {
	order    string   // name of the order, if the table has several
	prefixes [][]byte // of the index lists to intersect; none: all records by their keys
	first    []byte   // the place where the listing begins, nil for its first
	before   []byte   // the place where the listing ends, nil for none
	most     int      // how many records are looked at; 0: as many as it takes
	issuance.Page
}

// list returns the records that q asks for and the cursor behind them.
func (tb table[R]) list(t *tx, q query) (out []R, cursor string, err error) {
	return tb.listIf(t, q, func(R) bool { return true })
}

// listIf is list of those records that keep wants. It reads the others too.
func (tb table[R]) listIf(t *tx, q query, keep func(R) bool) (out []R, cursor string, err error) {
	name := tb.name + q.order
	from, err := placeOf(name, q.After)
	if err != nil {
		return nil, "", err
	}
	if bytes.Compare(from, q.first) < 0 {
		from = q.first
	}
	var last, seen []byte
	looked := 0
	e := tb.walk(t, q, from, func(place []byte, r R) bool {
		if q.most > 0 && looked == q.most {
			cursor = cursorOf(name, seen)
			return false
		}
		looked, seen = looked+1, place
		if !keep(r) {
			return true
		}
		if len(out) == q.Size() {
			cursor = cursorOf(name, last)
			return false
		}
		out, last = append(out, r), place
		return true
	})
	if e != nil {
		return nil, "", e
	}
	return out, cursor, nil
}

// walk calls f with q's records from a place on, until f returns false.
func (tb table[R]) walk(t *tx, q query, from []byte, f func(place []byte, r R) bool) error {
	indexed := len(q.prefixes) > 0
	var lists []list
	for _, p := range q.prefixes {
		bucket, p := tb.spot(p)
		b, err := t.bucket(bucket)
		if err != nil {
			return err
		}
		lists = append(lists, list{b, p})
	}
	if !indexed {
		b, err := t.bucket(tb.name)
		if err != nil {
			return err
		}
		lists = []list{{b, nil}}
	}
	var err error
	walk(lists, from, func(place, value []byte) bool {
		if q.before != nil && bytes.Compare(place, q.before) >= 0 {
			return false
		}
		if indexed {
			if value, err = t.get(tb.name, value); err != nil {
				err = fmt.Errorf("the index of %s points to a missing record: %w", tb.name, err)
				return false
			}
		}
		var r R
		if r, err = tb.decode(value); err != nil {
			return false
		}
		return f(place, r)
	})
	return err
}

// take returns up to limit of q's records, from the first.
func (tb table[R]) take(t *tx, q query, limit int) (out []R, err error) {
	if limit <= 0 {
		return nil, nil
	}
	err = tb.walk(t, q, q.first, func(_ []byte, r R) bool {
		out = append(out, r)
		return len(out) < limit
	})
	return out, err
}

// own turns all times in v to UTC, and makes its slices v's own with nothing to
// spare: what is appended to one of them later is not seen by others.
func own(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if t, ok := v.Addr().Interface().(*time.Time); ok {
			*t = t.UTC()
			return
		}
		for i := range v.NumField() {
			own(v.Field(i))
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		mine := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(mine, v)
		v.Set(mine)
		if v.Type().Elem().Kind() != reflect.Struct {
			return
		}
		for i := range v.Len() {
			own(v.Index(i))
		}
	}
}
