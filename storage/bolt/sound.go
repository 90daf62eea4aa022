package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// checkedAtMost is how many bytes of pages are looked at when the file is opened.
const checkedAtMost = 64 << 20

// sound looks for damage in the pages of f that its last transaction reaches, from
// the root down, level by level, until it has read as much as limit: a file of
// some 20,000 certificates is seen as a whole, of a larger one every page that
// leads to others. The rest is looked at when it is read (damage.go).
//
// bbolt has a check of its own, Tx.Check. It is not used: it runs in a goroutine
// of its own, where a memory fault cannot be caught, keeps a map of all pages, and
// reads the whole file, which for a million certificates takes longer than a
// start may.
func sound(f io.ReaderAt, limit int64) error {
	m, err := readMeta(f)
	if err != nil {
		return err
	}
	w := &walker{f: f, m: m, left: limit, seen: make([]uint64, m.end/64+1)}
	if err := w.freelist(); err != nil {
		return err
	}
	w.next = []uint64{m.root}
	for len(w.next) > 0 && w.left > 0 {
		id := w.next[0]
		w.next = w.next[1:]
		if err := w.visit(id); err != nil {
			return err
		}
	}
	return nil
}

// walker reads pages by their numbers.
type walker struct {
	f    io.ReaderAt
	m    meta
	left int64
	seen []uint64 // a bit for each page
	next []uint64
}

// page is one page with those that belong to it.
type page struct {
	id    uint64
	flags uint16
	count int
	body  []byte // behind the header
}

func (p page) damaged(why string) error { return fmt.Errorf("page %d %s", p.id, why) }

// read returns page id, which nobody has read yet.
func (w *walker) read(id uint64) (p page, err error) {
	p.id = id
	if id < 2 || id >= w.m.end {
		return p, p.damaged("is outside of the file")
	}
	size := int64(w.m.pageSize)
	head := make([]byte, size)
	if _, err := w.f.ReadAt(head, int64(id)*size); err != nil {
		return p, p.damaged("cannot be read: " + err.Error())
	}
	order := binary.NativeEndian
	more := uint64(order.Uint32(head[12:]))
	switch {
	case order.Uint64(head) != id:
		return p, p.damaged("has another page's number")
	case id+more >= w.m.end:
		return p, p.damaged("is longer than the file")
	}
	for i := id; i <= id+more; i++ {
		if w.seen[i/64]&(1<<(i%64)) != 0 {
			return p, p.damaged("is used twice")
		}
		w.seen[i/64] |= 1 << (i % 64)
	}
	whole := head
	if more > 0 {
		whole = make([]byte, size*int64(more+1))
		if _, err := w.f.ReadAt(whole, int64(id)*size); err != nil {
			return p, p.damaged("cannot be read: " + err.Error())
		}
	}
	w.left -= int64(len(whole))
	p.flags, p.count, p.body = order.Uint16(head[8:]), int(order.Uint16(head[10:])), whole[pageHeader:]
	return p, nil
}

// freelist marks the list's pages and those it calls free, which nothing may lead to.
func (w *walker) freelist() error {
	p, err := w.read(w.m.freelist)
	if err != nil {
		return err
	}
	order := binary.NativeEndian
	n, ids := uint64(p.count), p.body
	if p.count == 0xFFFF && len(ids) >= 8 {
		n, ids = order.Uint64(ids), ids[8:]
	}
	if p.flags != freelistPage || n > uint64(len(ids))/8 {
		return p.damaged("is not a list of free pages")
	}
	for i := range n {
		id := order.Uint64(ids[i*8:])
		if id < 2 || id >= w.m.end || w.seen[id/64]&(1<<(id%64)) != 0 {
			return p.damaged("lists a page as free that is not")
		}
		w.seen[id/64] |= 1 << (id % 64)
	}
	return nil
}

func (w *walker) visit(id uint64) error {
	p, err := w.read(id)
	if err != nil {
		return err
	}
	return w.elements(p)
}

// errElements says that the elements of a page do not fit into it.
var errElements = errors.New("has elements outside of it")

// elements checks what stands on p, and remembers the pages that it leads to.
func (w *walker) elements(p page) error {
	const element = 16
	if p.flags != branchPage && p.flags != leafPage {
		return p.damaged("is of an unknown kind")
	}
	if p.count*element > len(p.body) || p.flags == branchPage && p.count == 0 {
		return p.damaged(errElements.Error())
	}
	var last []byte
	for i := range p.count {
		key, err := w.element(p, i*element)
		switch {
		case err != nil:
			return p.damaged(err.Error())
		case i > 0 && bytes.Compare(last, key) >= 0:
			return p.damaged("has its keys out of order")
		}
		last = key
	}
	return nil
}

// element checks the element at an offset of p's body, and returns its key.
func (w *walker) element(p page, at int) (key []byte, err error) {
	order := binary.NativeEndian
	head := p.body[at : at+16]
	if p.flags == branchPage {
		key, err = within(p.body, at, order.Uint32(head), order.Uint32(head[4:]))
		w.next = append(w.next, order.Uint64(head[8:]))
		return key, err
	}
	pos, keySize, valueSize := order.Uint32(head[4:]), order.Uint32(head[8:]), order.Uint32(head[12:])
	if key, err = within(p.body, at, pos, keySize); err != nil {
		return nil, err
	}
	value, err := within(p.body, at, pos+keySize, valueSize)
	if err != nil || order.Uint32(head) != 1 { // not a bucket
		return key, err
	}
	return key, w.bucket(p, value)
}

// bucket remembers the root of a bucket, or checks it where it stands in its parent's page.
func (w *walker) bucket(p page, value []byte) error {
	order := binary.NativeEndian
	if len(value) < 16 {
		return errElements
	}
	if root := order.Uint64(value); root != 0 {
		w.next = append(w.next, root)
		return nil
	}
	inline := value[16:]
	if len(inline) < pageHeader {
		return errElements
	}
	return w.elements(page{
		id: p.id, flags: order.Uint16(inline[8:]), count: int(order.Uint16(inline[10:])), body: inline[pageHeader:],
	})
}

// within returns the size bytes that begin pos behind an element's beginning.
func within(body []byte, element int, pos, size uint32) ([]byte, error) {
	from := uint64(element) + uint64(pos)
	if from+uint64(size) > uint64(len(body)) {
		return nil, errElements
	}
	return body[from : from+uint64(size)], nil
}
