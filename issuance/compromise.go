package issuance

import (
	"context"
	"crypto"
	"errors"
	"math"
)

// What a compromise concerns: whoever has a private key has every certificate for
// it, may have obtained successors with it (RFC 7030, section 4.2.2), and may have
// had those renew themselves in turn.

// CompromiseOf returns the certificates that [Registrar.RevokeAll] would revoke as
// keyCompromise, or give that reason, at this moment: the one with serial first,
// unless it was revoked as that.
func (r *Registrar) CompromiseOf(ctx context.Context, serial Serial) (open []Certificate, err error) {
	err = r.view(ctx, func(l reading) error {
		first, err := issued(l, serial)
		if err != nil {
			return err
		}
		open, err = l.compromised(first)
		return err
	})
	return open, err
}

// compromised returns those that a compromise of first's key concerns, to any
// depth, and that it still changes something about.
func (l reading) compromised(first Certificate) ([]Certificate, error) {
	all := []Certificate{first}
	seen, marks := map[Serial]bool{first.Serial: true}, map[Digest]bool{}
	for i := 0; i < len(all); i++ {
		near, err := l.near(all[i], marks)
		if err != nil {
			return nil, err
		}
		for _, c := range near {
			if !seen[c.Serial] {
				seen[c.Serial], all = true, append(all, c)
			}
		}
	}
	var open []Certificate
	for _, c := range all {
		if c.canBe(KeyCompromise) {
			open = append(open, c)
		}
	}
	return open, nil
}

// near returns the certificates for c's key, if that is not among the marks that
// were looked for, and those that were obtained by it.
func (l reading) near(c Certificate, marks map[Digest]bool) (near []Certificate, err error) {
	if mark := c.Mark(); mark != "" && !marks[mark] {
		marks[mark] = true
		if near, err = l.CertificatesWith(CertificateKey{Mark: mark}, math.MaxInt); err != nil {
			return nil, err
		}
	}
	obtained, err := l.obtained(c)
	return append(near, obtained...), err
}

// obtained returns the certificates that c's key was the proof for: those of
// orders that nobody was invited for.
func (l reading) obtained(c Certificate) (out []Certificate, err error) {
	q := OrderQuery{Renews: c.Serial, Page: Page{Limit: MaxPage}}
	for {
		orders, next, err := l.Orders(q)
		if err != nil {
			return nil, err
		}
		for _, o := range orders {
			if !o.uninvited() || o.Serial == "" {
				continue
			}
			made, err := l.Certificate(o.Serial)
			if errors.Is(err, ErrNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
			out = append(out, made)
		}
		if q.After = next; next == "" {
			return out, nil
		}
	}
}

// refuseKey refuses to certify, for o, a key that somebody else has: one that was
// revoked as compromised, or that another organisation brought. Who that is, the log
// is told, and nobody else.
func (r *Registrar) refuseKey(tx CertificateReader, key crypto.PublicKey, o Order) error {
	mark := MarkOf(key)
	if mark == "" {
		return nil
	}
	if bad, err := tx.Compromised(mark); err != nil || bad {
		return errors.Join(err, refusedKey(bad, "its key has been revoked as compromised"))
	}
	known, err := tx.CertificatesWith(CertificateKey{Mark: mark}, sameKeyLooked)
	for _, c := range known {
		if c.Organization != o.Organization {
			r.cfg.Desk.Log.Warn("refused a key that is certified for another organisation",
				"order", o.ID, "organization", o.Organization, "serial", c.Serial)
			return refusedKey(true, "its key is in use already, and a key is certified for one organisation only")
		}
	}
	return err
}

// sameKeyLooked is how many certificates for a key are looked at: since a key is
// certified for one organisation, the first tells; each claim reads them twice.
const sameKeyLooked = 2

func refusedKey(refused bool, why string) error {
	if !refused {
		return nil
	}
	return &Error{Kind: Invalid, Code: CodeCSR, Field: "csr", Message: why, Hint: "create a new key and make the CSR with it"}
}

// Ancestor is a certificate that another one follows.
type Ancestor struct {
	Certificate
	// ByKey says that the one after it was obtained by this one's key, without anybody.
	ByKey bool
}

// mostAncestors is how many are shown: some hundred years of renewals.
const mostAncestors = 100

// Ancestry returns the certificates that c follows, the last one first.
func Ancestry(tx Reader, c Certificate) (line []Ancestor, err error) {
	for len(line) < mostAncestors && c.Renews != "" {
		o, err := tx.Order(c.Order)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		byKey := err == nil && o.uninvited()
		if c, err = tx.Certificate(c.Renews); errors.Is(err, ErrNotFound) {
			return line, nil
		} else if err != nil {
			return nil, err
		}
		line = append(line, Ancestor{c, byKey})
	}
	return line, nil
}
