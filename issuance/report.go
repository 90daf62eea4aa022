package issuance

import "time"

// ReportKind is how long the time is that a report tells of.
type ReportKind string

// The reports.
const (
	DailyReport   ReportKind = "daily"
	MonthlyReport ReportKind = "monthly"
)

// ReportID names a report: its kind and the day or month that it is about, as in
// daily-2026-11-25 and monthly-2026-11.
type ReportID string

// Report is what staff want to see each morning: what needs doing as of At, and
// what happened from From until To. It holds no secret, no e-mail address and no
// phone number. The API answers it as it is.
type Report struct {
	Kind ReportKind `json:"kind"`
	// Period is the day (2026-11-25) or month (2026-11) in TimeZone that the report
	// is about. First is another one if it covers several, because none was sent meanwhile.
	Period   string    `json:"period"`
	First    string    `json:"first"`
	TimeZone string    `json:"time_zone"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	At       time.Time `json:"at"`

	ToDo   ReportToDo `json:"to_do"`
	Done   ReportDone `json:"done"`
	Use    ReportUse  `json:"use"`
	Totals Totals     `json:"totals"`
	// Organizations are those in which something happened, by id; of a monthly report.
	Organizations Listed[ReportOrganization] `json:"organizations"`
}

// Listed is the first of what there is, and how many more there are: exactly, or
// at least so many, if that is all that was looked at.
type Listed[T any] struct {
	Items   []T  `json:"items"`
	More    int  `json:"more"`
	AtLeast bool `json:"at_least"`
}

// Count returns how many there are, or at least are.
func (l Listed[T]) Count() int { return len(l.Items) + l.More }

// ReportToDo is what asks for a person, as of the report's At.
type ReportToDo struct {
	Waiting Listed[ReportOrder]   `json:"waiting"` // for approval, the oldest first
	Locked  Listed[ReportOrder]   `json:"locked"`  // by too many wrong codes, the oldest first
	Failed  Listed[ReportMessage] `json:"failed"`  // in the last 30 days, the newest first
	// Ending are certificates without a successor, ordered or issued, that end in
	// the next 60 days; Within counts them by the days that are left.
	Ending     Listed[ReportCertificate] `json:"ending"`
	Within     []ReportWithin            `json:"within"`
	Superseded Listed[ReportCertificate] `json:"superseded"` // their successors are in use
	Held       Listed[ReportCertificate] `json:"held"`       // until somebody releases or revokes them
}

// ReportDone is what happened from the report's From until To. The lists are
// those of a daily report, the earliest first; Reasons count revocations.
type ReportDone struct {
	Counts  ReportCounts        `json:"counts"`
	Reasons []ReportReason      `json:"reasons"`
	Orders  Listed[ReportEvent] `json:"orders"`
	Issued  Listed[ReportEvent] `json:"issued"`
	Changed Listed[ReportEvent] `json:"changed"` // certificates held, released and revoked
}

// ReportUse tells of certificates in use: refusals since the report's From, and
// active certificates that were not seen in use UnusedAfterDays after issue.
type ReportUse struct {
	Refused         Listed[ReportRefusal]     `json:"refused"`
	Unused          Listed[ReportCertificate] `json:"unused"`
	UnusedAfterDays int                       `json:"unused_after_days"`
}

// ReportCounts is how often each thing happened.
type ReportCounts struct {
	Requested int `json:"requested"` // orders, those that certificates placed for themselves among them
	Approved  int `json:"approved"`
	Rejected  int `json:"rejected"`
	Cancelled int `json:"cancelled"`
	Lapsed    int `json:"lapsed"`
	Completed int `json:"completed"`
	Issued    int `json:"issued"` // certificates
	Held      int `json:"held"`
	Released  int `json:"released"`
	Revoked   int `json:"revoked"`
}

// add counts n times verb.
func (c *ReportCounts) add(verb Verb, n int) {
	switch verb {
	case RequestVerb, ReenrollVerb:
		c.Requested += n
	case ApproveVerb:
		c.Approved += n
	case RejectVerb:
		c.Rejected += n
	case CancelVerb:
		c.Cancelled += n
	case LapseVerb:
		c.Lapsed += n
	case CompleteVerb:
		c.Completed += n
	case IssueVerb:
		c.Issued += n
	case HoldVerb:
		c.Held += n
	case ReleaseVerb:
		c.Released += n
	case RevokeVerb:
		c.Revoked += n
	}
}

// The rows of a report's lists.
type (
	// ReportOrder is an order that asks for a person, since Since.
	ReportOrder struct {
		Order        OrderID   `json:"order"`
		Organization OrgID     `json:"organization"`
		Service      ServiceID `json:"service"`
		Contact      ContactID `json:"contact"`
		ContactName  string    `json:"contact_name"`
		Renews       Serial    `json:"renews"`
		Since        time.Time `json:"since"`
	}
	// ReportMessage is a message that was given up at At.
	ReportMessage struct {
		Message NoticeID   `json:"message"`
		Kind    NoticeKind `json:"kind"`
		Channel Channel    `json:"channel"`
		Order   OrderID    `json:"order"`
		At      time.Time  `json:"at"`
		Error   string     `json:"error"`
	}
	// ReportCertificate is a certificate that asks for a person. Since and Comment
	// tell of its hold; RenewedBy is its successor.
	ReportCertificate struct {
		Serial       Serial    `json:"serial"`
		Status       Status    `json:"status"`
		Organization OrgID     `json:"organization"`
		Service      ServiceID `json:"service"`
		Contact      ContactID `json:"contact"`
		ContactName  string    `json:"contact_name"`
		IssuedAt     time.Time `json:"issued_at"`
		NotAfter     time.Time `json:"not_after"`
		DaysLeft     int       `json:"days_left"`
		LastUsedAt   time.Time `json:"last_used_at,omitzero"`
		RenewedBy    Serial    `json:"renewed_by"`
		Since        time.Time `json:"since,omitzero"`
		By           string    `json:"by"`
		Comment      string    `json:"comment"`
	}
	// ReportEvent is something that was done to an order or a certificate.
	ReportEvent struct {
		At           time.Time `json:"at"`
		Verb         Verb      `json:"verb"`
		By           Actor     `json:"by"`
		Organization OrgID     `json:"organization"`
		Service      ServiceID `json:"service"`
		Order        OrderID   `json:"order"`
		Serial       Serial    `json:"serial"`
		Reason       Reason    `json:"reason"`
		Comment      string    `json:"comment"`
	}
	// ReportRefusal is a certificate whose use was refused: Refused times in all,
	// the last time at LastAt for Code.
	ReportRefusal struct {
		Serial       Serial    `json:"serial"`
		Status       Status    `json:"status"`
		Expired      bool      `json:"expired"`
		Organization OrgID     `json:"organization"`
		Service      ServiceID `json:"service"`
		Refused      uint64    `json:"refused"`
		LastAt       time.Time `json:"last_at"`
		Code         Code      `json:"code"`
	}
	// ReportWithin is how many certificates end within so many days.
	ReportWithin struct {
		Days  int `json:"days"`
		Count int `json:"count"`
	}
	// ReportReason is how many certificates were revoked for a reason.
	ReportReason struct {
		Reason Reason `json:"reason"`
		Count  int    `json:"count"`
	}
	// ReportOrganization is what happened in an organisation.
	ReportOrganization struct {
		Organization OrgID        `json:"organization"`
		Name         string       `json:"name"`
		Counts       ReportCounts `json:"counts"`
	}
)

// StoredReport is a report that was queued for those who get it, and so the
// record that it was. The first of its kind has no Report: it says when the
// house began to send them.
type StoredReport struct {
	ID       ReportID   `json:"id"`
	Kind     ReportKind `json:"kind"`
	Period   string     `json:"period"`
	To       time.Time  `json:"to"`
	QueuedAt time.Time  `json:"queued_at"`
	Report   Report     `json:"report,omitzero"`
}
