package admin

import (
	"errors"
	"strconv"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

type auditRecord struct {
	Seq          uint64            `json:"seq"`
	At           time.Time         `json:"at"`
	Actor        issuance.Actor    `json:"actor"`
	Verb         issuance.Verb     `json:"verb"`
	Organization issuance.OrgID    `json:"organization"`
	Order        issuance.OrderID  `json:"order"`
	Serial       issuance.Serial   `json:"serial"`
	Subject      string            `json:"subject"`
	Detail       map[string]string `json:"detail"`
	Address      string            `json:"address"` // or "server"
	Request      string            `json:"request"`
	Sealed       bool              `json:"sealed"`
	// Revealed is only in the answer to reveal.
	Revealed map[string]string `json:"revealed,omitempty"`
}

func viewAudit(r issuance.AuditRecord) auditRecord {
	detail := r.Detail
	if detail == nil {
		detail = map[string]string{}
	}
	return auditRecord{
		Seq: r.Seq, At: r.At, Actor: r.Actor, Verb: r.Verb, Organization: r.Organization,
		Order: r.Order, Serial: r.Serial, Subject: r.Subject, Detail: detail,
		Address: r.Whence(), Request: r.Request, Sealed: r.Sealed != "",
	}
}

func (a *API) listAudit(c *call) (any, error) {
	q := c.listing("order", "serial", "verb", "actor", "address", "request")
	find := issuance.AuditQuery{
		Serial: q.serial("serial"), Page: q.page(), Did: oneOf(q, "verb", issuance.Verbs()...),
		Who: q.text("actor"), Address: q.network("address"), Request: q.text("request"),
	}
	typed := q.party()
	if q.err != nil {
		return nil, q.err
	}
	return listOf(a.opts.Registrar.Read, c, func(tx issuance.Reader) ([]issuance.AuditRecord, string, error) {
		who, err := a.opts.Registrar.Resolver(tx).Party(typed)
		if err != nil {
			return nil, "", err
		}
		find.Order = who.Order
		if find.Serial != "" {
			if _, err := tx.Certificate(find.Serial); errors.Is(err, issuance.ErrNotFound) {
				return nil, "", unknown("serial", issuance.CertificateNoun, string(find.Serial))
			}
		}
		return tx.Audit(find)
	}, viewAudit)
}

// revealAudit shows what is sealed in an audit record. It is a POST because it writes an
// audit record itself.
func (a *API) revealAudit(c *call) (any, error) {
	if err := c.readNothing(); err != nil {
		return nil, err
	}
	seq, err := strconv.ParseUint(c.part("id"), 10, 64)
	if err != nil {
		return nil, errors.Join(c.by.May(issuance.RevealVerb, issuance.AuditNoun), issuance.NoSuch(issuance.AuditNoun, c.part("id")))
	}
	r, detail, err := a.opts.Registrar.Reveal(c.r.Context(), c.by, seq)
	if err != nil {
		return nil, err
	}
	view := viewAudit(r)
	view.Revealed = detail
	return view, nil
}

// AuditCheck is the result of a check of the audit records.
type AuditCheck struct {
	Records uint64               `json:"records"` // checked
	Last    issuance.AuditHead   `json:"last"`    // the last correct one
	Began   uint64               `json:"began"`   // the first record with a link; 0: none has one
	Lost    uint64               `json:"lost"`    // records that a restored copy says it is missing
	Gaps    []issuance.AuditGap  `json:"gaps"`    // where they were
	Key     string               `json:"key"`     // verifies checkpoints
	Fault   *issuance.AuditFault `json:"fault,omitempty"`
	Links   []issuance.AuditHead `json:"links"` // of the requested records that exist
}

// maxLinks is how many links one request can ask for.
const maxLinks = 10_000

func (a *API) verifyAudit(c *call) (any, error) {
	var at []uint64
	if _, err := c.read(fields{"at": counts(&at)}); err != nil {
		return nil, err
	}
	if len(at) > maxLinks {
		return nil, issuance.Invalidf("at", "has more than 10000 numbers", "ask for them in parts")
	}
	server.Extend(c.w, verifyAtMost)
	return a.opts.VerifyAudit(c.r.Context(), at)
}

// verifyAtMost is how long a check may take: a million records take seconds.
const verifyAtMost = 10 * time.Minute
