package issuance

import "strings"

// Verb is the one word for an action: on the button, in the URL, in the method name
// and in the audit record.
type Verb string

// The verbs of an order, in the order of its life, then those of a certificate,
// then those of the register.
const (
	RequestVerb  Verb = "request"
	ApproveVerb  Verb = "approve"
	RejectVerb   Verb = "reject"
	VoidVerb     Verb = "void"     // the approval; what was approved has changed
	ResendVerb   Verb = "resend"   // a new link; the old one becomes invalid
	CodeVerb     Verb = "code"     // a new one-time code
	AttemptVerb  Verb = "attempt"  // a try at the code was counted
	LockVerb     Verb = "lock"     // too many tries
	UnlockVerb   Verb = "unlock"   // by staff
	VerifyVerb   Verb = "verify"   // the code was right
	ReserveVerb  Verb = "reserve"  // a serial number is set aside for the certificate
	IssueVerb    Verb = "issue"    // signed and stored
	ReenrollVerb Verb = "reenroll" // a certificate renews itself
	AbandonVerb  Verb = "abandon"  // a reservation came to nothing
	DownloadVerb Verb = "download" // the file arrived
	CompleteVerb Verb = "complete" // the password SMS was accepted, or none is needed
	ReopenVerb   Verb = "reopen"   // the claim window or the session has expired
	WipeVerb     Verb = "wipe"     // file and password are gone
	LapseVerb    Verb = "lapse"    // the link has expired
	CancelVerb   Verb = "cancel"

	HoldVerb    Verb = "hold"
	ReleaseVerb Verb = "release"
	RevokeVerb  Verb = "revoke"

	AddVerb     Verb = "add"
	ProposeVerb Verb = "propose" // a change that another person must confirm
	StopVerb    Verb = "stop"    // a change, by who had the old address or number
	ConfirmVerb Verb = "confirm" // what another person proposed
	ChangeVerb  Verb = "change"
	DisableVerb Verb = "disable"
	EnableVerb  Verb = "enable"

	SendVerb  Verb = "send"  // a notice was accepted by its provider
	FailVerb  Verb = "fail"  // a notice is hopeless
	RetryVerb Verb = "retry" // staff send a notice again
	TrialVerb Verb = "test"  // staff send a test message

	ReportVerb Verb = "report" // a report was queued for its recipients

	ReportLossVerb Verb = "report-loss" // of a contact's phone or mailbox

	ResendPasswordVerb Verb = "resend-password" // of an order: the same password is sent again

	DoubtVerb  Verb = "doubt"  // the clock has jumped
	AcceptVerb Verb = "accept" // the time is trusted again: by staff, or because it agrees with what is known

	BackupVerb  Verb = "backup"  // everything was written out, encrypted
	RestoreVerb Verb = "restore" // a copy was put in place, and what is known beside it taken over

	RefuseVerb  Verb = "refuse"  // a sign-in
	RevealVerb  Verb = "reveal"  // what an audit record has sealed
	SignVerb    Verb = "sign"    // a certificate of the house's own: of a listener, of an OCSP responder
	CertifyVerb Verb = "certify" // a CA of the house, found in its directory

	ChainVerb Verb = "chain" // the audit records became a chain, or got a key that signs for it
	LoseVerb  Verb = "lose"  // audit records: the copy that was put in place has none of them

	ListVerb        Verb = "list" // of these three no record is left: two read,
	ShowVerb        Verb = "show"
	CreateLocalVerb Verb = "create-local" // and a token that is added on the server's own machine is recorded as AddVerb
)

// Verbs returns those that leave a record.
func Verbs() []Verb {
	return []Verb{
		RequestVerb, ApproveVerb, RejectVerb, VoidVerb, ResendVerb, CodeVerb, AttemptVerb, LockVerb, UnlockVerb,
		VerifyVerb, ReserveVerb, IssueVerb, ReenrollVerb, AbandonVerb, DownloadVerb, CompleteVerb, ReopenVerb,
		WipeVerb, LapseVerb, CancelVerb, HoldVerb, ReleaseVerb, RevokeVerb, AddVerb, ProposeVerb, StopVerb,
		ConfirmVerb, ChangeVerb, DisableVerb, EnableVerb, SendVerb, FailVerb, RetryVerb, TrialVerb, ReportVerb,
		ReportLossVerb, ResendPasswordVerb, DoubtVerb, AcceptVerb, BackupVerb, RestoreVerb, RefuseVerb, RevealVerb,
		SignVerb, CertifyVerb, ChainVerb, LoseVerb,
	}
}

// done is v as what was done to something: approved, held, sent again.
func (v Verb) done() string {
	switch v {
	case CodeVerb:
		return "sent a new code"
	case ResendVerb:
		return "sent again"
	case VerifyVerb:
		return "verified"
	case HoldVerb:
		return "held"
	case CancelVerb:
		return "cancelled"
	case ReopenVerb, RejectVerb, UnlockVerb, DownloadVerb, LockVerb, RequestVerb:
		return string(v) + "ed"
	}
	return strings.TrimSuffix(string(v), "e") + "ed"
}
