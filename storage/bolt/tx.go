package bolt

import (
	"errors"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// tx is one caller's transaction. In an Update the bbolt transaction is shared
// with the others of the batch.
type tx struct {
	b       *bbolt.Tx
	s       *Store
	writes  int
	deleted bool // a secret: its bytes are still in the file
	over    bool
}

func (t *tx) bucket(name string) (*bbolt.Bucket, error) {
	if t.over {
		return nil, errors.New("the transaction is over")
	}
	return t.b.Bucket([]byte(name)), nil
}

// writable is bucket for what changes it.
func (t *tx) writable(name string) (*bbolt.Bucket, error) {
	b, err := t.bucket(name)
	if err != nil {
		return nil, err
	}
	if !t.b.Writable() {
		return nil, errors.New("a View cannot write")
	}
	t.writes++
	if strings.HasSuffix(name, indexSuffix) || strings.HasSuffix(name, endSuffix) || name == cluesBucket {
		// Most lists grow at their ends: half-empty pages behind would stay so.
		b.FillPercent = 0.9
	}
	return b, nil
}

// get returns what is under key, valid until the next write, or ErrNotFound.
func (t *tx) get(bucket string, key []byte) ([]byte, error) {
	b, err := t.bucket(bucket)
	if err != nil {
		return nil, err
	}
	if v := b.Get(key); v != nil {
		return v, nil
	}
	return nil, issuance.ErrNotFound
}

func (t *tx) put(bucket string, key, value []byte) error {
	b, err := t.writable(bucket)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

func (t *tx) delete(bucket string, key []byte) error {
	b, err := t.writable(bucket)
	if err != nil {
		return err
	}
	return b.Delete(key)
}

// sequence returns the next number of a bucket, from 1.
func (t *tx) sequence(bucket string) (uint64, error) {
	b, err := t.writable(bucket)
	if err != nil {
		return 0, err
	}
	return b.NextSequence()
}
