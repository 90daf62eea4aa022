package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
)

// The parts of bbolt's file format that are read here, in the machine's byte order.
const (
	pageHeader   = 16 // id, flags, count, overflow
	metaSize     = 64
	metaChecked  = 56 // octets that the checksum is about
	formatMagic  = 0xED0CDAED
	formatNumber = 2

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
)

// meta says where everything is in the file: bbolt writes two of them in turn.
type meta struct {
	pageSize            uint32
	root, freelist, end uint64 // page numbers; end is behind the last page in use
	transaction         uint64
}

// inspect refuses, before bbolt maps it, a file that bbolt would take for a new one, or fault on.
func inspect(o Options) error {
	f, err := os.Open(o.Path)
	if errors.Is(err, fs.ErrNotExist) && !o.Existing {
		return nil
	} else if errors.Is(err, fs.ErrNotExist) {
		return damagedError(o.Path, "is not there",
			"bring it back from a backup, or mount the right volume; a new one would forget every revocation")
	} else if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("looking at the database: %w", err)
	case !info.Mode().IsRegular():
		return damagedError(o.Path, "is not a file", "name the data directory that has the database")
	case info.Size() == 0 && o.Existing:
		return damagedError(o.Path, "is empty (0 octets)", hintRestore)
	case info.Size() == 0:
		return nil
	}
	m, err := readMeta(f)
	switch {
	case errors.Is(err, errForeign):
		return damagedError(o.Path, "is not a database of Postern's", hintRestore)
	case err != nil:
		return damagedError(o.Path, "is damaged: "+err.Error(), hintRestore)
	}
	if want := int64(m.end) * int64(m.pageSize); info.Size() < want {
		return damagedError(o.Path, fmt.Sprintf("is cut short: it has %d octets of %d", info.Size(), want), hintRestore)
	}
	return nil
}

var (
	errForeign = errors.New("not bbolt's")
	errMetas   = errors.New("its first pages cannot be read")
)

// readMeta returns the newer one of the two metas that stand: what bbolt goes by.
func readMeta(f io.ReaderAt) (m meta, err error) {
	err = errForeign
	for _, at := range append([]int64{0}, secondPages()...) {
		found, e := parseMeta(f, at)
		switch {
		case e == nil && (err != nil || found.transaction > m.transaction):
			m, err = found, nil
		case errors.Is(e, errMetas) && errors.Is(err, errForeign):
			err = e
		}
	}
	return m, err
}

// secondPages are the places where the second meta may stand: it depends on the page size.
func secondPages() (all []int64) {
	for size := int64(1 << 10); size <= 1<<24; size <<= 1 {
		all = append(all, size)
	}
	return all
}

func parseMeta(f io.ReaderAt, at int64) (meta, error) {
	b := make([]byte, metaSize)
	if n, err := f.ReadAt(b, at+pageHeader); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = errForeign
		}
		return meta{}, err
	}
	order := binary.NativeEndian
	if order.Uint32(b) != formatMagic {
		return meta{}, errForeign
	}
	sum := fnv.New64a()
	sum.Write(b[:metaChecked])
	m := meta{
		pageSize: order.Uint32(b[8:]), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
		end: order.Uint64(b[40:]), transaction: order.Uint64(b[48:]),
	}
	here := m.pageSize >= 1<<10 && (at == 0 || at == int64(m.pageSize))
	if order.Uint32(b[4:]) != formatNumber || order.Uint64(b[metaChecked:]) != sum.Sum64() || !here {
		return meta{}, errMetas
	}
	return m, nil
}
