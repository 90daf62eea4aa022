package storagetest

import (
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// notice returns the i-th notice, queued i minutes after the start.
func notice(i int, change func(*issuance.Notice)) issuance.Notice {
	n := issuance.Notice{
		ID: issuance.NoticeID(name("notice", i)), Kind: issuance.CodeNotice, Channel: issuance.SMS,
		State: issuance.Pending, Order: "order1",
		Contact: "contact1", To: "+41790000042", Language: "fr", Counter: 7, NextAt: after(time.Duration(i) * time.Second),
		CreatedAt: after(time.Duration(i) * time.Minute),
	}
	if change != nil {
		change(&n)
	}
	return n
}

func putNotices(t testing.TB, s Store, notices ...issuance.Notice) {
	t.Helper()
	update(t, s, func(tx Tx) error {
		for _, n := range notices {
			if err := tx.PutNotice(n); err != nil {
				return err
			}
		}
		return nil
	})
}

func testNotices(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	full := notice(1, func(n *issuance.Notice) {
		n.State, n.Serial, n.Text, n.Attempts, n.LastError = issuance.Failed, "aa", "text", 3, "421 later"
		n.SettledAt, n.ProviderID = after(1), "SM1"
	})
	putNotices(t, s, full, notice(2, nil), notice(3, func(n *issuance.Notice) { n.Order = "order2" }),
		notice(4, func(n *issuance.Notice) { n.Order = "" }))
	same(t, "Notice", full, read(t, s, func(tx Reader) (issuance.Notice, error) { return tx.Notice(full.ID) }))
	list := func(q issuance.NoticeQuery) []string {
		return ids(collect(t, s, 2, func(tx Reader, p issuance.Page) ([]issuance.Notice, string, error) {
			q.Page = p
			return tx.Notices(q)
		}), func(n issuance.Notice) string { return string(n.ID)[6:] })
	}
	same(t, "all", []string{"00004", "00003", "00002", "00001"}, list(issuance.NoticeQuery{}))
	same(t, "pending", []string{"00004", "00003", "00002"}, list(issuance.NoticeQuery{State: issuance.Pending}))
	same(t, "of an order", []string{"00002", "00001"}, list(issuance.NoticeQuery{Order: "order1"}))
	same(t, "both", []string{"00002"}, list(issuance.NoticeQuery{Order: "order1", State: issuance.Pending}))
	putNotices(t, s, notice(2, func(n *issuance.Notice) { n.State = issuance.Accepted }))
	same(t, "no more pending", []string{"00004", "00003"}, list(issuance.NoticeQuery{State: issuance.Pending}))
	same(t, "accepted", []string{"00002"}, list(issuance.NoticeQuery{State: issuance.Accepted}))
}

func testDueNotices(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	next := func(c issuance.Channel) time.Time {
		return read(t, s, func(tx Reader) (time.Time, error) { return tx.NextNotice(c) })
	}
	same(t, "NextNotice of nothing", time.Time{}, next(issuance.SMS))
	putNotices(t, s,
		notice(3, nil), notice(1, nil), notice(2, nil),
		notice(4, func(n *issuance.Notice) { n.Channel, n.Kind = issuance.Mail, issuance.InvitationNotice }),
		notice(5, func(n *issuance.Notice) { n.State, n.NextAt = issuance.Failed, start() }))
	due := func(c issuance.Channel, now time.Time, limit int) []string {
		return ids(read(t, s, func(tx Reader) ([]issuance.Notice, error) { return tx.DueNotices(c, now, limit) }), noticeID)
	}
	same(t, "too early", []string{}, due(issuance.SMS, after(time.Second-1), 10))
	same(t, "exactly at the time", []string{"notice00001"}, due(issuance.SMS, after(time.Second), 10))
	same(t, "all of the channel", []string{"notice00001", "notice00002", "notice00003"}, due(issuance.SMS, after(time.Hour), 10))
	same(t, "limited", []string{"notice00001", "notice00002"}, due(issuance.SMS, after(time.Hour), 2))
	same(t, "of the other channel", []string{"notice00004"}, due(issuance.Mail, after(time.Hour), 10))
	same(t, "NextNotice", after(time.Second), next(issuance.SMS))

	putNotices(t, s, notice(1, func(n *issuance.Notice) { n.State = issuance.Dropped }),
		notice(2, func(n *issuance.Notice) { n.NextAt = after(time.Minute) }))
	same(t, "after changes", []string{"notice00003", "notice00002"}, due(issuance.SMS, after(time.Hour), 10))
	same(t, "NextNotice after changes", after(3*time.Second), next(issuance.SMS))
}
