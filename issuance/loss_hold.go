package issuance

// holdAll puts on hold what the copy calls active.
func (a *acceptance) holdAll() error {
	if !a.evidence.HoldAll {
		return nil
	}
	for cursor := ""; ; {
		n, next := 0, ""
		err := a.update(func(w *work, _ LossTx) (err error) {
			n, next, err = a.holdSome(w, cursor)
			return err
		})
		if err != nil {
			return err
		}
		a.loss.Held += n
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

// holdSome puts one page of the certificates on hold that are active.
func (a *acceptance) holdSome(w *work, cursor string) (n int, next string, err error) {
	found, next, err := w.Tx.Certificates(CertificateQuery{
		Status: Active, ExpiresFrom: w.now, Page: Page{After: cursor, Limit: MaxPage},
	})
	if err != nil {
		return 0, "", err
	}
	for _, c := range found {
		if err := c.Hold(a.evidence.by(), "nobody knows whether it was revoked after the backup was made", w.now); err != nil {
			return 0, "", err
		}
		if err := w.changed(c.ChangedBy, HoldVerb, c, c.Comment, nil); err != nil {
			return 0, "", err
		}
	}
	return len(found), next, nil
}
