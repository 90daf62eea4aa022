package issuance

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
)

// What a contact's address or number was and became stands in the audit for good,
// and is for few to read: the record shows it masked, and what it was in the clear
// lies sealed in the vault. The record has its digest, so that neither can be
// exchanged; the salt keeps anybody from guessing the number from the digest.

// sealedDetail is what lies in the vault.
type sealedDetail struct {
	Salt   string            `json:"salt"`
	Detail map[string]string `json:"detail"`
}

func sealedRef(d Digest) SecretRef { return SecretRef{AuditSecret, string(d)} }

// auditSealed is Audit with details that only a few may read. Without any it is Audit.
func (w *work) auditSealed(by Actor, verb Verb, r AuditRecord, detail map[string]string) error {
	if len(detail) > 0 {
		text, err := json.Marshal(sealedDetail{string(NewToken().Reveal()), detail})
		if err != nil {
			return err
		}
		secret := NewSecret(text)
		r.Sealed = DigestOf(secret)
		if err := w.PutSecret(sealedRef(r.Sealed), secret); err != nil {
			return err
		}
	}
	w.Audit(by, verb, r)
	return nil
}

// Reveal returns the audit record with seq, and in the clear what it has sealed. That
// somebody looked is on record itself.
func (r *Registrar) Reveal(ctx context.Context, by Actor, seq uint64) (found AuditRecord, detail map[string]string, err error) {
	if err := by.May(RevealVerb, AuditNoun); err != nil {
		return found, nil, err
	}
	id := strconv.FormatUint(seq, 10)
	err = r.Read(ctx, func(tx Reader) error { // it never changes
		found, err = tx.AuditRecord(seq)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return found, nil, NoSuch(AuditNoun, id)
	} else if err != nil {
		return found, nil, err
	}
	if found.Sealed == "" {
		return found, nil, &Error{
			Kind: Conflict, Code: CodeState, Message: "nothing is sealed in audit record " + id,
			Hint: "all of it is in the list",
		}
	}
	err = r.update(ctx, func(w *work) error {
		if detail, err = w.unseal(found.Sealed); err != nil {
			return err
		}
		w.Audit(by, RevealVerb, AuditRecord{Organization: found.Organization, Subject: id})
		return nil
	})
	return found, detail, err
}

func notShown(why, hint string) error {
	return &Error{Kind: Conflict, Code: CodeState, Message: "what the audit record has sealed " + why, Hint: hint}
}

// unseal returns what lies in the vault under d.
func (w *work) unseal(d Digest) (map[string]string, error) {
	secret, err := w.Secret(sealedRef(d))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, notShown("is not in the database", "look in a backup of the time of the record, restored on another machine")
	case errors.Is(err, ErrSealed):
		return nil, notShown("does not open with the seal key", "restore the seal key of that time, beside the present one in the key file")
	case err != nil:
		return nil, err
	case DigestOf(secret) != d:
		return nil, notShown("is not what the record was made with", "somebody may have changed the database: check the audit records")
	}
	var s sealedDetail
	err = json.Unmarshal(secret.Reveal(), &s)
	return s.Detail, err
}
