package issuance

import "time"

// Channel is how a notice is sent.
type Channel string

// The channels. Link and code, file and password never share one.
const (
	Mail Channel = "mail"
	SMS  Channel = "sms"
)

// NoticeKind says which text a notice has.
type NoticeKind string

// The notices.
const (
	InvitationNotice NoticeKind = "invitation" // mail: the URL
	CodeNotice       NoticeKind = "code"       // SMS: the one-time code
	PasswordNotice   NoticeKind = "password"   // SMS: the permanent password
	RevokedNotice    NoticeKind = "revoked"    // mail: the certificate was revoked; older ones tell of holds and releases too
	HeldNotice       NoticeKind = "held"       // mail: the certificate is on hold
	ReleasedNotice   NoticeKind = "released"   // mail: the certificate was released
	RenewedNotice    NoticeKind = "renewed"    // mail: the certificate has renewed itself
	ChangeMailNotice NoticeKind = "change"     // mail to the old address: the contact is changed; the URL that stops it
	ChangeSMSNotice  NoticeKind = "change-sms" // SMS to the old number: the same
	AlertNotice      NoticeKind = "alert"      // mail to staff: something needs a person
	AlertSMSNotice   NoticeKind = "alert-sms"  // SMS to staff: mail does not get out
	ReportNotice     NoticeKind = "report"     // mail to staff: the report of a day or a month
)

// Channel returns the one channel on which a notice of kind k may travel.
func (k NoticeKind) Channel() Channel {
	if k == CodeNotice || k == PasswordNotice || k == AlertSMSNotice || k == ChangeSMSNotice {
		return SMS
	}
	return Mail
}

// statusNotice returns the kind of notice that tells of a certificate's status.
func statusNotice(s Status) NoticeKind {
	switch s {
	case Held:
		return HeldNotice
	case Active:
		return ReleasedNotice
	}
	return RevokedNotice
}

// TellsStatus reports whether a notice of kind k is about a certificate's status,
// which its Text is.
func (k NoticeKind) TellsStatus() bool {
	return k == RevokedNotice || k == HeldNotice || k == ReleasedNotice
}

// NoticeState is the state of a notice.
type NoticeState string

// The states of a notice.
const (
	Pending  NoticeState = "pending"  // will be sent, or sent again, at NextAt
	Accepted NoticeState = "accepted" // the provider took it
	Failed   NoticeState = "failed"   // failed permanently, or given up: staff must act
	Dropped  NoticeState = "dropped"  // overtaken by events: a newer code, a cancelled order
)

// Notice is a message to a person, kept until its provider has accepted it. It has
// no text: the text is rendered when it is sent, because it contains secrets.
type Notice struct {
	ID       NoticeID    `json:"id"`
	Kind     NoticeKind  `json:"kind"`
	Channel  Channel     `json:"channel"`
	State    NoticeState `json:"state"`
	Order    OrderID     `json:"order,omitempty"`
	Serial   Serial      `json:"serial,omitempty"`
	Contact  ContactID   `json:"contact,omitempty"`
	To       string      `json:"to"` // address or number, as when it was queued
	Language string      `json:"language"`
	// Counter is the HOTP counter of a code, or the number of the link of an
	// invitation. It keeps an older notice from affecting an order that has moved
	// on.
	Counter uint64 `json:"counter,omitempty"`
	// Text is, for an alert, what needs a person; for a notice of a status, that
	// status; for a report, its id.
	Text     string    `json:"text,omitempty"`
	Also     []Serial  `json:"also,omitempty"` // of a notice that certificates were revoked: the contact's others
	Attempts int       `json:"attempts"`
	NextAt   time.Time `json:"next_at,omitzero"`
	Leased   bool      `json:"leased,omitempty"` // a courier has it; NextAt is when the lease ends
	GiveUpAt time.Time `json:"give_up_at"`       // a failure after this is the last one
	// WaitsSince is when a code message was first to be sent whose code was made anew
	// because it waited; zero for all others.
	WaitsSince time.Time `json:"waits_since,omitzero"`
	LastError  string    `json:"last_error,omitempty"` // for staff; no secrets, no bodies
	CreatedAt  time.Time `json:"created_at"`
	SettledAt  time.Time `json:"settled_at,omitzero"` // accepted, failed or dropped
	// ProviderID is the provider's id for the message, such as Twilio's SID.
	ProviderID string `json:"provider_id,omitempty"`
}

// Tells reports whether a notice of kind k tells a contact of a certificate.
func (k NoticeKind) Tells() bool { return k.TellsStatus() || k == RenewedNotice }

// TellsChange reports whether a notice of kind k tells of a change of its contact,
// whose proposal its text names: it goes to where the contact was reached before.
func (k NoticeKind) TellsChange() bool { return k == ChangeMailNotice || k == ChangeSMSNotice }

// Opens reports whether a notice of kind k carries what opens something: it is
// sent to nobody who is not entitled to it at that moment.
func (k NoticeKind) Opens() bool {
	return k == InvitationNotice || k == CodeNotice || k == PasswordNotice
}
