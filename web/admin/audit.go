package admin

import (
	"errors"
	"time"

	"github.com/postern-ca/postern/issuance"
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
}

func viewAudit(r issuance.AuditRecord) auditRecord {
	detail := r.Detail
	if detail == nil {
		detail = map[string]string{}
	}
	return auditRecord{
		Seq: r.Seq, At: r.At, Actor: r.Actor, Verb: r.Verb, Organization: r.Organization,
		Order: r.Order, Serial: r.Serial, Subject: r.Subject, Detail: detail,
	}
}

func (a *API) listAudit(c *call) (any, error) {
	q := c.listing("order", "serial")
	find := issuance.AuditQuery{Serial: q.serial("serial"), Page: q.page()}
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
