package issuance

import (
	"context"
	"time"
)

// sweepBatch is how many orders one round of the sweep looks at.
const sweepBatch = 100

// Sweep does what is due: it lapses orders whose link has expired, reopens those
// whose session or claim window has expired (and gives up their unused serial
// numbers), and wipes files and passwords. It returns when nothing is due except what
// could not be swept, and does nothing while the clock is in doubt.
func (r *Registrar) Sweep(ctx context.Context) error {
	seen, stuck := make(map[OrderID]bool), 0
	for r.cfg.Desk.Clock.Sure() == nil {
		due, err := r.dueOrders(ctx, r.now(), sweepBatch+stuck)
		if err != nil {
			return err
		}
		progress := false
		stuck = 0
		for _, o := range due {
			if seen[o.ID] { // still due: it could not be swept, and stands before the others
				stuck++
				continue
			}
			seen[o.ID], progress = true, true
			// One order that cannot be swept must not keep the others waiting.
			if err := r.sweepOrder(ctx, o.ID); err != nil && ctx.Err() == nil {
				r.cfg.Desk.Log.Error("sweeping an order", "order", o.ID, "error", err)
			}
		}
		if !progress || ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// Recover takes over the messages that a killed process was sending: whether they
// were sent is unknown, so they are due at once. No other process may use the
// store.
func (r *Registrar) Recover(ctx context.Context) error {
	for cursor := ""; ; {
		var notices []Notice
		err := r.cfg.Store.View(ctx, func(tx Snapshot) (err error) {
			notices, cursor, err = tx.Notices(NoticeQuery{State: Pending, Page: Page{After: cursor, Limit: MaxPage}})
			return err
		})
		if err != nil {
			return err
		}
		for _, n := range notices {
			if !n.Leased {
				continue
			}
			err := r.cfg.Store.Update(ctx, func(tx Tx) error {
				n.Leased, n.NextAt = false, r.now()
				return tx.PutNotice(n)
			})
			if err != nil {
				return err
			}
		}
		if cursor == "" {
			return nil
		}
	}
}

func (r *Registrar) dueOrders(ctx context.Context, now time.Time, limit int) (due []Order, err error) {
	err = r.cfg.Store.View(ctx, func(tx Snapshot) error {
		due, err = tx.DueOrders(now, limit)
		return err
	})
	return due, err
}

// sweepOrder does the one thing that is due for an order.
func (r *Registrar) sweepOrder(ctx context.Context, id OrderID) error {
	return r.update(ctx, func(w *work) error {
		o, err := w.order(id)
		if err != nil || w.clock.Sure() != nil {
			return err
		}
		if due := o.due(w.policy); due.IsZero() || w.now.Before(due) {
			return w.put(&o) // the policy has changed since
		}
		switch o.State {
		case InvitedState, LockedState:
			return w.lapse(&o)
		case VerifiedState, IssuedState:
			if o.uninvited() {
				return w.dropUninvited(&o)
			}
			return w.reopen(&o)
		case DownloadedState, CompletedState:
			return w.wipe(&o)
		}
		return w.put(&o)
	})
}

func (w *work) lapse(o *Order) error {
	if err := o.Lapse(w.now); err != nil {
		return err
	}
	if err := w.forget(o.ID, LinkSecret, SeedSecret); err != nil {
		return err
	}
	if err := w.drop(o.Code.Notice, "the link has expired"); err != nil {
		return err
	}
	return w.finish(o, LapseVerb)
}

// reopen takes o back to invited. What was issued and never arrived is revoked:
// its key existed here, and nobody has it.
func (w *work) reopen(o *Order) error {
	if o.State == IssuedState {
		if err := w.revoke(System("sweep"), o.Serial, CessationOfOperation, "not downloaded within the claim window"); err != nil {
			return err
		}
	}
	if err := w.forget(o.ID, PKCS12Secret, PasswordSecret); err != nil {
		return err
	}
	if err := o.Reopen(w.now); err != nil {
		return err
	}
	return w.finish(o, ReopenVerb)
}

// wipe ends the claim window: the file goes, and the password too once it was
// delivered. A password whose SMS is still on its way stays until it is.
func (w *work) wipe(o *Order) error {
	kinds := []SecretKind{PKCS12Secret}
	if waits, err := w.passwordWaits(o); err != nil {
		return err
	} else if o.State == CompletedState && !waits {
		kinds = append(kinds, PasswordSecret)
	}
	if err := w.forget(o.ID, kinds...); err != nil {
		return err
	}
	if err := o.Wipe(w.now); err != nil {
		return err
	}
	return w.finish(o, WipeVerb)
}

func (w *work) finish(o *Order, verb Verb) error {
	if err := w.put(o); err != nil {
		return err
	}
	w.audit(System("sweep"), verb, o, nil)
	return nil
}

// Forget deletes up to some thousands of records that are no longer needed:
// receipts after a day; none while the clock is in doubt. It is called regularly.
func (r *Registrar) Forget(ctx context.Context) error {
	if r.cfg.Desk.Clock.Sure() != nil {
		return nil
	}
	return r.update(ctx, func(w *work) error {
		_, err := w.ForgetReceipts(w.now.Add(-24*time.Hour), 1000)
		return err
	})
}
