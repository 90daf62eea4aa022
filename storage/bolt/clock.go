package bolt

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func (t *tx) Clock() (time.Time, error) {
	b, err := t.get(metaBucket, []byte(clockKey))
	if err != nil {
		return time.Time{}, ignoreNotFound(err)
	}
	return timeOf(b), nil
}

// SetClock implements [issuance.Tx]: a time before the one that is kept changes
// nothing, because transactions may commit in another order than they began.
func (t *tx) SetClock(now time.Time) error {
	last, err := t.Clock()
	if err != nil || !now.After(last) {
		return err
	}
	return t.put(metaBucket, []byte(clockKey), instant(now))
}

func (t *tx) ClockMark() (m issuance.ClockMark, err error) {
	b, err := t.get(metaBucket, []byte(markKey))
	if errors.Is(err, issuance.ErrNotFound) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return m, fmt.Errorf("reading the last time that was trusted: %w", err)
	}
	m.Wall = m.Wall.UTC()
	return m, nil
}

// PutClockMark implements [issuance.Ledger].
func (t *tx) PutClockMark(m issuance.ClockMark) error {
	m.Wall = m.Wall.UTC()
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("writing the last time that was trusted: %w", err)
	}
	if err := t.put(metaBucket, []byte(clockKey), instant(m.Wall)); err != nil {
		return err
	}
	return t.put(metaBucket, []byte(markKey), raw)
}
