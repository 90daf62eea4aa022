package issuance

import "time"

// AuditRecord records one thing that was done. It is written in the transaction
// that did it, and never changed.
type AuditRecord struct {
	// Prev is the link of the record before ([AuditHead]), "" in records of before there
	// were links. The store assigns it, and keeps it first: it is read without the rest.
	Prev         Digest            `json:"prev,omitempty"`
	Seq          uint64            `json:"seq"` // assigned by the store, rising by one
	At           time.Time         `json:"at"`
	Actor        Actor             `json:"actor"`
	Verb         Verb              `json:"verb"`
	Organization OrgID             `json:"organization,omitempty"`
	Order        OrderID           `json:"order,omitempty"`
	Serial       Serial            `json:"serial,omitempty"`
	Subject      string            `json:"subject,omitempty"` // what else it was done to: a contact, a service, a token
	Detail       map[string]string `json:"detail,omitempty"`  // no secrets
	// Sealed is the digest of details that only a few may read, and which lie sealed
	// elsewhere; "" if there are none.
	Sealed Digest `json:"sealed,omitempty"`
	Origin        // of the request that it came of
}

// Tally is how often something was done to the records of an organisation; ""
// stands for those of none.
type Tally struct {
	Verb         Verb
	Organization OrgID
	Count        int
}
