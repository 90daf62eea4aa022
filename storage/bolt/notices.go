package bolt

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

func noticeIndex(r issuance.Notice) [][]byte {
	at := newest(r.CreatedAt, r.ID)
	var due []byte
	if r.State == issuance.Pending {
		due = entry(byDue, oldest(r.NextAt, r.ID), r.Channel)
	}
	return [][]byte{
		entry[string](byAll, at),
		entry(byState, at, r.State),
		besideOrder(noticeBeside, r.Order, at),
		due,
	}
}

func (t *tx) Notice(id issuance.NoticeID) (issuance.Notice, error) {
	return t.s.tables.notices.get(t, []byte(id))
}

func (t *tx) PutNotice(r issuance.Notice) error { return t.s.tables.notices.put(t, r) }

func (t *tx) Notices(q issuance.NoticeQuery) ([]issuance.Notice, string, error) {
	var m matching
	match(&m, byState, q.State)
	matchOrder(&m, noticeBeside, q.Order)
	return t.s.tables.notices.list(t, query{prefixes: m.orAll(), Page: q.Page})
}

// DueNotices implements [issuance.Tx]. Updates run one after the other, so what
// one of them has put off is not due in the next.
func (t *tx) DueNotices(channel issuance.Channel, now time.Time, limit int) ([]issuance.Notice, error) {
	return t.s.tables.notices.take(t, query{prefixes: [][]byte{prefix(byDue, channel)}, before: behind(now)}, limit)
}

func (t *tx) NextNotice(channel issuance.Channel) (time.Time, error) {
	first, err := t.s.tables.notices.take(t, query{prefixes: [][]byte{prefix(byDue, channel)}}, 1)
	if err != nil || len(first) == 0 {
		return time.Time{}, err
	}
	return first[0].NextAt, nil
}
