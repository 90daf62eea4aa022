package issuance

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// lossBatch is how many records one transaction of an acceptance changes.
const lossBatch = 500

const lossComment = "taken over from what was known outside of the restored database"

// acceptance is one run of AcceptLoss. Each step may be repeated.
type acceptance struct {
	ctx      context.Context
	desk     *Desk
	store    Store[HistoryReader, LossTx]
	policy   Policy
	evidence Witness
	loss     Loss
}

// update does f in one transaction, as the verbs of the registrar do.
func (a *acceptance) update(f func(*work, LossTx) error) error {
	return Do(a.ctx, a.desk, a.store, func(tx LossTx, e *Entry) error {
		return f(&work{Tx: tx, reading: reading{records: tx, now: e.Now, policy: a.policy}, Entry: e}, tx)
	})
}

func (a *acceptance) raise() error {
	return a.update(func(w *work, tx LossTx) error {
		if err := a.compare(tx); err != nil {
			return err
		}
		to, base := a.evidence.above(), a.evidence.Base.Audit
		told, err := toldLost(tx, base)
		if err != nil {
			return err
		}
		if to.Audit > base && !told { // the first record above the gap says that it is one
			w.Audit(a.evidence.by(), LoseVerb, AuditRecord{Detail: lostAudit(base+1, to)})
		}
		return tx.RaiseHistory(to)
	})
}

// toldLost reports whether a record tells of the gap above base. At most one is before
// it: that which began the chain when a copy of before there was one was opened.
func toldLost(tx LossTx, base uint64) (bool, error) {
	first, _, err := tx.AuditAfter(base, 2)
	return slices.ContainsFunc(first, func(r AuditRecord) bool {
		g, ok := r.Gap()
		return ok && g.From == base+1
	}), err
}

// compare looks for the audit record that was noted, unless the copy is of before it.
func (a *acceptance) compare(tx LossTx) error {
	if a.evidence.Journal == nil {
		return nil
	}
	noted := a.evidence.Journal.Last.HighWater
	if noted.Audit > a.evidence.Base.Audit {
		return nil
	}
	link, err := tx.AuditLink(noted.Audit)
	if noted.Contradicts(link) != "" {
		a.loss.Noted, a.loss.Found = AuditHead{Seq: noted.Audit, Link: noted.Head}, link
	}
	return err
}

// takeOver has every certificate be held or revoked that is known to be so.
func (a *acceptance) takeOver() error { return a.putAll(a.evidence.statuses()) }

// certificates revokes those that were issued after the copy was made: the store
// has no record that they could be shown, released or renewed by.
func (a *acceptance) certificates() error {
	var lost []Revocation
	for _, o := range a.loss.Orders {
		for _, serial := range o.Certificates {
			lost = append(lost, Revocation{Serial: serial, Status: Revoked, Reason: CessationOfOperation, At: a.desk.Now()})
		}
	}
	return a.putAll(lost)
}

func (a *acceptance) putAll(all []Revocation) error {
	for batch := range slices.Chunk(all, lossBatch) {
		var done Loss
		err := a.update(func(w *work, _ LossTx) error {
			done = Loss{}
			for _, r := range batch {
				if err := a.put(w, r, &done); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		a.loss.Revoked += done.Revoked
		a.loss.Held += done.Held
		a.loss.Unknown = append(a.loss.Unknown, done.Unknown...)
	}
	return nil
}

// put has one certificate be what r says, unless it is as bad already.
func (a *acceptance) put(w *work, r Revocation, done *Loss) error {
	c, err := w.Certificate(r.Serial)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && c.Status == Abandoned:
		c, r.Status = a.unknown(c, r), Revoked
		done.Unknown = append(done.Unknown, c.Serial)
	case err != nil:
		return err
	case !worse(r, Revocation{Status: c.Status, Reason: c.Reason}):
		return nil
	case r.Reason == CessationOfOperation && r.Issuer == "":
		return nil // issued, and the copy has it after all
	case c.Status == Revoked:
		c.RevokedAt = c.Since()
	}
	verb := HoldVerb
	if c.Status, c.Reason = r.Status, r.Reason; c.Status == Revoked {
		if verb = RevokeVerb; c.Reason == CertificateHold || c.Reason == "" {
			c.Reason = Unspecified
		}
		done.Revoked++
	} else {
		done.Held++
	}
	c.Comment, c.ChangedBy, c.ChangedAt = lossComment, a.evidence.by(), r.At.UTC().Truncate(time.Second)
	if err := a.end(w, &c); err != nil {
		return err
	}
	return w.changed(c.ChangedBy, verb, c, lossComment, nil)
}

// end blocks the key of a certificate that others have, and ends the delivery of
// one that is revoked.
func (a *acceptance) end(w *work, c *Certificate) error {
	if mark := c.Mark(); c.Reason == KeyCompromise && mark != "" {
		if err := w.PutCompromised(mark); err != nil {
			return err
		}
	}
	if c.Status != Revoked || c.Order == "" || len(c.DER) == 0 {
		return nil
	}
	return ignoreMissing(w.endDelivery(c))
}

// unknown is a certificate that only r tells of. It stays in the CRL for as long
// as any of its issuer may last.
func (a *acceptance) unknown(c Certificate, r Revocation) Certificate {
	c.Serial, c.Issuer, c.NotAfter = r.Serial, r.Issuer, r.NotAfter
	if c.Issuer == "" { // of a trace, which has none: the one that signs last
		for id := range a.evidence.Issuers {
			if c.Issuer == "" || len(id) > len(c.Issuer) || len(id) == len(c.Issuer) && id > c.Issuer {
				c.Issuer = id
			}
		}
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = a.evidence.Issuers[c.Issuer]
	}
	for _, o := range a.loss.Orders {
		if slices.Contains(o.Certificates, c.Serial) {
			c.Order, c.Organization = o.Order, o.Organization
		}
	}
	return c
}

// voidCodes ends the one-time codes that were live in the copy: they may have been
// used since. A serial number that is reserved there may have been signed under.
func (a *acceptance) voidCodes() error {
	for _, state := range []OrderState{InvitedState, VerifiedState} {
		err := a.eachOrder(state, func(w *work, o *Order) (bool, error) {
			c, err := w.Certificate(o.Reserved)
			signed := o.Reserved != "" && err == nil && c.Status == Revoked
			if err != nil && !errors.Is(err, ErrNotFound) || !signed && !o.Code.Live {
				return false, ignoreMissing(err)
			}
			if o.Code.Live {
				a.loss.Voided = append(a.loss.Voided, o.ID)
			}
			if o.Code.Live = false; signed {
				o.Reserved = ""
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// complete has the orders be completed that were completed since the copy was
// made. The sweep would revoke a certificate that nobody had fetched in time.
func (a *acceptance) complete() error {
	completed := make(map[OrderID]Serial)
	for _, o := range a.loss.Orders {
		if o.Completed != "" {
			completed[o.Order] = o.Completed
		}
	}
	for _, state := range []OrderState{IssuedState, DownloadedState} {
		err := a.eachOrder(state, func(w *work, o *Order) (bool, error) {
			if o.Serial == "" || completed[o.ID] != o.Serial {
				return false, nil
			}
			if _, err := o.Download(w.now); err != nil && !o.FromCSR {
				return false, err
			}
			if err := o.Complete(w.now); err != nil {
				return false, err
			}
			w.audit(a.evidence.by(), CompleteVerb, o, nil)
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachOrder has f change every order in a state; f says whether it did.
func (a *acceptance) eachOrder(state OrderState, f func(*work, *Order) (bool, error)) error {
	for {
		changed := false
		for cursor := ""; ; {
			var found []Order
			err := a.update(func(w *work, _ LossTx) (err error) {
				if found, cursor, err = w.Tx.Orders(OrderQuery{State: state, Page: Page{After: cursor, Limit: MaxPage}}); err != nil {
					return err
				}
				for i := range found {
					did, err := f(w, &found[i])
					if err == nil && did {
						changed, err = true, w.put(&found[i])
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			if cursor == "" {
				break
			}
		}
		if !changed {
			return nil
		}
	}
}

// record leaves the audit record of the whole.
func (a *acceptance) record() error {
	return a.update(func(w *work, _ LossTx) error {
		detail := map[string]string{
			"copy_of": stamp(a.loss.Base.At), "missing": strings.Join(a.loss.Known.Missing(a.loss.Base), "; "),
			"revoked": itoa(a.loss.Revoked), "held": itoa(a.loss.Held),
			"unknown": itoa(len(a.loss.Unknown)), "orders": itoa(len(a.loss.Orders)),
		}
		if n := a.loss.Noted; n.Link != "" {
			detail["contradicts"] = HighWater{Audit: n.Seq, Head: n.Link}.Contradicts(a.loss.Found)
			detail["noted_record"], detail["noted_link"], detail["found_link"] = utoa(n.Seq), string(n.Link), cmp.Or(string(a.loss.Found), "none")
		}
		w.Audit(a.evidence.by(), RestoreVerb, AuditRecord{Detail: detail})
		return nil
	})
}
