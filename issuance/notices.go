package issuance

import "time"

// NoticeReader looks up notices.
type NoticeReader interface {
	Notice(NoticeID) (Notice, error)
	Notices(NoticeQuery) ([]Notice, string, error)
	// DueNotices returns up to limit pending notices of channel with a NextAt not
	// after now, the earliest first. In an Update, no two transactions get the same
	// notice.
	DueNotices(channel Channel, now time.Time, limit int) ([]Notice, error)
	// NextNotice returns the earliest NextAt of the pending notices of channel,
	// zero if there is none.
	NextNotice(channel Channel) (time.Time, error)
}

// Notices keeps notices.
type Notices interface {
	NoticeReader
	PutNotice(Notice) error
}

// NoticeQuery asks for notices.
type NoticeQuery struct {
	State NoticeState
	Order OrderID
	Page
}
