package report

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Kind is the length of the period that a report covers.
type Kind string

// The reports.
const (
	Daily   Kind = "daily"
	Monthly Kind = "monthly"
)

// ID identifies a report by its kind and its day or month: daily-2026-11-25,
// monthly-2026-11.
type ID string

// Report is what staff want to see each morning: the open tasks as of At, and what
// happened from From until To. It contains no secret, no e-mail address and no
// phone number. The API returns it unchanged.
type Report struct {
	Kind Kind `json:"kind"`
	// Period is the day (2026-11-25) or month (2026-11) in TimeZone that the report
	// is about. First is another one if it covers several, because none was sent meanwhile.
	Period   string    `json:"period"`
	First    string    `json:"first"`
	TimeZone string    `json:"time_zone"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	At       time.Time `json:"at"`

	ToDo   ToDo            `json:"to_do"`
	Done   Done            `json:"done"`
	Use    Use             `json:"use"`
	Totals issuance.Totals `json:"totals"`
	// Organizations are those with activity, by id; only in a monthly report.
	Organizations Listed[OrganizationRow] `json:"organizations"`
}

// Listed is the first items of a list, and how many more there are: exactly, or at
// least so many if not all were read.
type Listed[T any] struct {
	Items   []T  `json:"items"`
	More    int  `json:"more"`
	AtLeast bool `json:"at_least"`
}

// Count returns how many items there are, or how many there are at least.
func (l Listed[T]) Count() int { return len(l.Items) + l.More }

// ToDo is what needs somebody's attention, as of the report's At.
type ToDo struct {
	Clock string `json:"clock,omitempty"` // why the clock is in doubt, "" if it is not
	// Proposals are changes of contacts that wait for another person, the oldest first.
	Proposals Listed[ProposalRow] `json:"proposals"`
	// Channels are those that are paused, or whose messages have waited too long;
	// Delayed are these messages, the oldest first.
	Channels []ChannelRow       `json:"channels"`
	Delayed  Listed[MessageRow] `json:"delayed"`
	// Stuck are invited orders whose codes are used up, Unclaimed those that nobody
	// has claimed for two days, Lapsed those that lapsed in the last 14 days.
	Stuck     Listed[OrderRow] `json:"stuck"`
	Unclaimed Listed[OrderRow] `json:"unclaimed"`
	Lapsed    Listed[OrderRow] `json:"lapsed"`

	Waiting Listed[OrderRow]   `json:"waiting"` // for approval, the oldest first
	Locked  Listed[OrderRow]   `json:"locked"`  // by too many wrong codes, the oldest first
	Failed  Listed[MessageRow] `json:"failed"`  // in the last 30 days, the newest first
	// Ending are certificates without a successor, ordered or issued, that end in
	// the next 60 days; Within counts them by the days that are left.
	Ending     Listed[CertificateRow] `json:"ending"`
	Within     []Within               `json:"within"`
	Superseded Listed[CertificateRow] `json:"superseded"` // their successors are in use
	Held       Listed[CertificateRow] `json:"held"`       // until somebody releases or revokes them
}

// Done is what happened from the report's From until To. The lists are
// those of a daily report, the earliest first; Reasons count revocations.
type Done struct {
	Counts  Counts        `json:"counts"`
	Reasons []ReasonCount `json:"reasons"`
	Orders  Listed[Event] `json:"orders"`
	Issued  Listed[Event] `json:"issued"`
	Changed Listed[Event] `json:"changed"` // certificates held, released and revoked
}

// Use is about the use of certificates: refusals since the report's From, and
// active certificates that were still not seen in use UnusedAfterDays after issue.
type Use struct {
	Refused         Listed[Refusal]        `json:"refused"`
	Unused          Listed[CertificateRow] `json:"unused"`
	UnusedAfterDays int                    `json:"unused_after_days"`
}

// Counts is how often each thing happened.
type Counts struct {
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
func (c *Counts) add(verb issuance.Verb, n int) {
	switch verb {
	case issuance.RequestVerb, issuance.ReenrollVerb:
		c.Requested += n
	case issuance.ApproveVerb:
		c.Approved += n
	case issuance.RejectVerb:
		c.Rejected += n
	case issuance.CancelVerb:
		c.Cancelled += n
	case issuance.LapseVerb:
		c.Lapsed += n
	case issuance.CompleteVerb:
		c.Completed += n
	case issuance.IssueVerb:
		c.Issued += n
	case issuance.HoldVerb:
		c.Held += n
	case issuance.ReleaseVerb:
		c.Released += n
	case issuance.RevokeVerb:
		c.Revoked += n
	}
}

// The rows of a report's lists.
type (
	// OrderRow is an order that has needed attention since Since.
	OrderRow struct {
		Order        issuance.OrderID   `json:"order"`
		Organization issuance.OrgID     `json:"organization"`
		Service      issuance.ServiceID `json:"service"`
		Contact      issuance.ContactID `json:"contact"`
		ContactName  string             `json:"contact_name"`
		Renews       issuance.Serial    `json:"renews"`
		Since        time.Time          `json:"since"`
	}
	// MessageRow is a message that was given up at At.
	MessageRow struct {
		Message issuance.NoticeID   `json:"message"`
		Kind    issuance.NoticeKind `json:"kind"`
		Channel issuance.Channel    `json:"channel"`
		Order   issuance.OrderID    `json:"order"`
		At      time.Time           `json:"at"`
		Error   string              `json:"error"`
	}
	// CertificateRow is a certificate that needs attention. Since and Comment
	// describe its hold; RenewedBy is its successor.
	CertificateRow struct {
		Serial       issuance.Serial    `json:"serial"`
		Status       issuance.Status    `json:"status"`
		Organization issuance.OrgID     `json:"organization"`
		Service      issuance.ServiceID `json:"service"`
		Contact      issuance.ContactID `json:"contact"`
		ContactName  string             `json:"contact_name"`
		IssuedAt     time.Time          `json:"issued_at"`
		NotAfter     time.Time          `json:"not_after"`
		DaysLeft     int                `json:"days_left"`
		LastUsedAt   time.Time          `json:"last_used_at,omitzero"`
		RenewedBy    issuance.Serial    `json:"renewed_by"`
		Since        time.Time          `json:"since,omitzero"`
		By           string             `json:"by"`
		Comment      string             `json:"comment"`
	}
	// Event is something that was done to an order or a certificate.
	Event struct {
		At           time.Time          `json:"at"`
		Verb         issuance.Verb      `json:"verb"`
		By           issuance.Actor     `json:"by"`
		Organization issuance.OrgID     `json:"organization"`
		Service      issuance.ServiceID `json:"service"`
		Order        issuance.OrderID   `json:"order"`
		Serial       issuance.Serial    `json:"serial"`
		Reason       issuance.Reason    `json:"reason"`
		Comment      string             `json:"comment"`
	}
	// Refusal is a certificate whose use was refused: Refused times in total, the
	// last time at LastAt with Code.
	Refusal struct {
		Serial       issuance.Serial    `json:"serial"`
		Status       issuance.Status    `json:"status"`
		Expired      bool               `json:"expired"`
		Organization issuance.OrgID     `json:"organization"`
		Service      issuance.ServiceID `json:"service"`
		Refused      uint64             `json:"refused"`
		LastAt       time.Time          `json:"last_at"`
		Code         issuance.Code      `json:"code"`
	}
	// Within is how many certificates expire within so many days.
	Within struct {
		Days  int `json:"days"`
		Count int `json:"count"`
	}
	// ReasonCount is how many certificates were revoked for a reason.
	ReasonCount struct {
		Reason issuance.Reason `json:"reason"`
		Count  int             `json:"count"`
	}
	// OrganizationRow is the activity of an organisation.
	OrganizationRow struct {
		Organization issuance.OrgID `json:"organization"`
		Name         string         `json:"name"`
		Counts       Counts         `json:"counts"`
	}
)

// Stored is a report that was queued, and so the record that it was. The first one
// of its kind has no Report: it records when the server began to send them.
type Stored struct {
	ID       ID        `json:"id"`
	Kind     Kind      `json:"kind"`
	Period   string    `json:"period"`
	To       time.Time `json:"to"`
	QueuedAt time.Time `json:"queued_at"`
	Report   Report    `json:"report,omitzero"`
}
