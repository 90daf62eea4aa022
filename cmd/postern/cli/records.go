package cli

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

// The records as the API shows them; only what is printed.
type (
	organizationRecord struct {
		ID, Name  string
		Disabled  bool
		CreatedAt time.Time `json:"created_at"`
	}
	contactRecord struct {
		ID, Organization, Name, Email, Mobile, Language string
		MayOrder                                        bool `json:"may_order"`
		MayReceive                                      bool `json:"may_receive"`
		Disabled                                        bool
		CreatedAt                                       time.Time `json:"created_at"`
		MobileChangedAt                                 time.Time `json:"mobile_changed_at"`
		EmailChangedAt                                  time.Time `json:"email_changed_at"`
		LostAt                                          time.Time `json:"lost_at"`
		Proposal                                        string
	}
	proposalRecord struct {
		ID, State, Organization, Contact string
		Was, Wanted                      issuance.Particulars
		ProposedBy                       issuance.Actor `json:"proposed_by"`
		ProposedAt                       time.Time      `json:"proposed_at"`
		DecidedBy                        issuance.Actor `json:"decided_by"`
		DecidedAt                        time.Time      `json:"decided_at"`
		MadeAt                           time.Time      `json:"made_at"`
	}
	serviceRecord struct {
		ID, Organization, Name, Identifier, Environment, Key, Target string
		Disabled                                                     bool
		CreatedAt                                                    time.Time `json:"created_at"`
	}
	orderRecord struct {
		ID, State, Organization, Service, Contact string
		Key, Target, Renews, Comment, Serial      string
		RequestedBy                               issuance.Actor `json:"requested_by"`
		RequestedAt                               time.Time      `json:"requested_at"`
		DecidedBy                                 issuance.Actor `json:"decided_by"`
		DecidedAt                                 time.Time      `json:"decided_at"`
		Attempts                                  int
		LinkExpiresAt                             time.Time `json:"link_expires_at"`
		FromCSR                                   bool      `json:"from_csr"`
		IssuedAt                                  time.Time `json:"issued_at"`
		DownloadedAt                              time.Time `json:"downloaded_at"`
		CompletedAt                               time.Time `json:"completed_at"`
		Unusual                                   []issuance.Unusual
	}
	certificateRecord struct {
		Serial, Status, Order, Organization, Service, Contact  string
		Issuer, Key, Fingerprint, Renews, Reason, Comment, PEM string
		Expired                                                bool
		IssuedAt                                               time.Time      `json:"issued_at"`
		NotBefore                                              time.Time      `json:"not_before"`
		NotAfter                                               time.Time      `json:"not_after"`
		FromCSR                                                bool           `json:"from_csr"`
		ChangedAt                                              time.Time      `json:"changed_at"`
		ChangedBy                                              issuance.Actor `json:"changed_by"`
		FirstUsedAt                                            time.Time      `json:"first_used_at"`
		LastUsedAt                                             time.Time      `json:"last_used_at"`
		Uses                                                   uint64
		RefusedUses                                            uint64    `json:"refused_uses"`
		LastRefusedAt                                          time.Time `json:"last_refused_at"`
		LastRefusal                                            string    `json:"last_refusal"`
		RenewedBy                                              string    `json:"renewed_by"`
		RevokedAt                                              time.Time `json:"revoked_at"`
		Ancestry                                               []ancestorRecord
		AlsoRevoked                                            []certificateRecord `json:"also_revoked"`
	}
	ancestorRecord struct {
		Serial, Status, Reason string
		ByKey                  bool `json:"by_key"`
	}
	compromiseRecord struct {
		Count int
		Items []certificateRecord
	}
	testedRecord struct {
		Channel, To, Problem string
		Accepted             bool
		ProviderID           string `json:"provider_id"`
	}
	messageRecord struct {
		ID, Kind, Channel, State, Order, Serial, Contact, To, Language, Text string
		Attempts                                                             int
		NextAt                                                               time.Time `json:"next_at"`
		LastError                                                            string    `json:"last_error"`
		CreatedAt                                                            time.Time `json:"created_at"`
		SettledAt                                                            time.Time `json:"settled_at"`
		ProviderID                                                           string    `json:"provider_id"`
		ChannelPaused                                                        string    `json:"channel_paused"`
	}
	tokenRecord struct {
		ID, Name, Owner, Role, Token string
		Waits                        bool
		AddedBy                      issuance.Actor `json:"added_by"`
		CreatedAt                    time.Time      `json:"created_at"`
		ExpiresAt                    time.Time      `json:"expires_at"`
		RevokedAt                    time.Time      `json:"revoked_at"`
	}
	auditRecord struct {
		Seq                                        uint64
		At                                         time.Time
		Actor                                      issuance.Actor
		Verb, Organization, Order, Serial, Subject string
		Detail, Revealed                           map[string]string
		Address, Request                           string
		Sealed                                     bool
	}
)

// status is the status as people see it: an expired certificate is shown as expired,
// unless it was revoked.
func (c certificateRecord) status() string {
	if c.Expired && c.Status != "revoked" {
		return "expired"
	}
	return c.Status
}

func who(a issuance.Actor) string {
	if a.Role == "" {
		return ""
	}
	name := first(a.Name, a.ID)
	if name == "" {
		return string(a.Role)
	}
	if a.Owner != "" && a.Owner != name {
		name += " of " + a.Owner
	}
	return name + " (" + string(a.Role) + ")"
}
