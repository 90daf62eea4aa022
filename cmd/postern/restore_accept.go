package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/cmd/postern/local"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/mark"
	"github.com/postern-ca/postern/storage/seal"
)

const timeLayout = time.RFC3339

// acceptLoss takes over what is known to have happened since the database that is
// there was copied.
func (q restoreFlags) acceptLoss(cmd *cobra.Command, s *settings) (err error) {
	cfg, err := s.load(cmd)
	if err != nil {
		return err
	}
	r, err := openRecovery(cfg, newLog(cfg.Log, cmd.ErrOrStderr()), time.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	var found ca.Found
	for _, name := range q.crls {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("reading a CRL: %w", err)
		}
		one, err := r.authority.ReadCRLs(data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		found.Issuing, found.Root = append(found.Issuing, one.Issuing...), append(found.Root, one.Root...)
	}
	loss, err := r.accept(cmd.Context(), found, q.holdAll)
	if err != nil {
		return err
	}
	tellLoss(cmd.OutOrStdout(), loss, found)
	return nil
}

// recovery is what is needed to take over what is known outside of a database.
type recovery struct {
	cfg       *config.Config
	log       *slog.Logger
	now       func() time.Time
	store     *bolt.Store
	authority *ca.Authority
	journal   *issuance.Journal // what the mark said when it was opened; nil if there was none
	mark      *marker
}

func openRecovery(cfg *config.Config, log *slog.Logger, now func() time.Time) (r *recovery, err error) {
	r = &recovery{cfg: cfg, log: log, now: now}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	key, err := seal.Load(cfg.Seal.KeyFile)
	if err != nil {
		return r, err
	}
	// Its lock comes first: a server that runs is not disturbed.
	if r.store, err = bolt.Open(bolt.Options{
		Path: filepath.Join(cfg.Data, databaseFile), Key: key, Log: log, Existing: true,
	}); err != nil {
		return r, err
	}
	if r.authority, err = ca.Open(ca.OpenOptions{
		Dir: filepath.Join(cfg.Data, caDirectory), TrustDomain: cfg.CA.TrustDomain, Passphrase: cfg.CA.Passphrase,
		URLs: ca.URLs{Base: cfg.Plain.URL}, Shards: cfg.CA.CRLShards, Now: now,
	}); err != nil {
		return r, err
	}
	if r.journal, err = mark.Read(cfg.Storage.MarkFile); err != nil {
		return r, err
	}
	file, err := mark.Open(cfg.Storage.MarkFile)
	if err != nil {
		return r, err
	}
	r.mark = &marker{file: file, from: r.store, root: r.authority.RootCRLNumber, now: now}
	return r, nil
}

func (r *recovery) close() (err error) {
	if r.mark != nil {
		err = r.mark.close()
	}
	if r.store != nil {
		err = errors.Join(err, r.store.Close())
	}
	return err
}

// accept takes over what the mark, CRLs and, if hold is set, nobody knows. A crash
// in the middle leaves a mark that says that it is to be done again.
func (r *recovery) accept(ctx context.Context, found ca.Found, hold bool) (issuance.Loss, error) {
	base, err := r.base(ctx)
	if err != nil {
		return issuance.Loss{}, err
	}
	least := base.CRLs[ca.RootID] // the root's numbers are not the store's
	base.CRLs = maps.Clone(base.CRLs)
	delete(base.CRLs, ca.RootID)
	if r.journal != nil {
		least = max(least, r.journal.Last.CRLs[ca.RootID])
		delete(r.journal.Last.CRLs, ca.RootID)
	}
	e := issuance.Witness{
		Base: base, Journal: r.journal, CRLs: found.Issuing, HoldAll: hold,
		Issuers: make(map[string]time.Time), By: local.Caller("restore"),
	}
	for _, i := range r.authority.Issuers() {
		e.Issuers[i.ID] = i.Certificate.NotAfter
	}
	if err := e.Check(); err != nil {
		return issuance.Loss{}, err
	}
	if err := r.authority.RaiseRootCRL(least, found.Root, r.now()); err != nil {
		return issuance.Loss{}, err
	}
	desk := &issuance.Desk{Now: r.now, Log: r.log}
	loss, err := issuance.AcceptLoss(ctx, desk, r.store.History(), r.cfg.Policy(), e)
	if err != nil {
		return loss, err
	}
	return loss, r.mark.note(ctx)
}

// base returns how far the copy had come, and has the mark say, durably, that it
// is one: from now on its own numbers no longer tell.
func (r *recovery) base(ctx context.Context) (issuance.HighWater, error) {
	last, _ := r.mark.file.Last()
	if last.Restored != nil {
		return last.Restored.Base, nil
	}
	base, err := r.mark.have(ctx)
	if err != nil {
		return base, err
	}
	base.At = base.Clock
	p := issuance.Progress{HighWater: last.HighWater, Since: last.HighWater}
	if r.journal == nil {
		p.HighWater, p.Since = base, base
	}
	p.Restored = &issuance.Restored{Why: "is a copy of " + base.At.Format(timeLayout), Base: base}
	return base, r.mark.file.Append(p)
}

// tellLoss says what was taken over, and what was lost.
func tellLoss(out io.Writer, l issuance.Loss, found ca.Found) {
	for _, p := range found.Issuing {
		fmt.Fprintf(out, "CRL of %s, number %d of %s: what was revoked later is known only from the high-water mark\n",
			p.Issuer, p.Number, p.ThisUpdate.Format(timeLayout))
	}
	fmt.Fprintf(out, "the copy is of %s\n", l.Base.At.Format(timeLayout))
	for _, missing := range l.Known.Missing(l.Base) {
		fmt.Fprintf(out, "it lacked      %s\n", missing)
	}
	if n := l.Noted; n.Link != "" {
		fmt.Fprintf(out, "it contradicts the high-water mark: audit record %d had the link %s, and has %s. Somebody may have\n"+
			"changed the audit records; see docs/operating.md, How an auditor checks"+"\n", n.Seq, n.Link, cmp.Or(string(l.Found), "none"))
	}
	fmt.Fprintf(out, "revoked again  %d\n", l.Revoked)
	fmt.Fprintf(out, "on hold again  %d\n", l.Held)
	for _, serial := range l.Unknown {
		fmt.Fprintf(out, "kept revoked   certificate %s, of which there is no record\n", serial)
	}
	for _, o := range l.Orders {
		fmt.Fprintf(out, "lost           %s\n", o)
	}
	for _, id := range l.Voided {
		fmt.Fprintf(out, "code void      order %s: the contact asks for another, or `postern order resend %s`\n", id, id)
	}
	fmt.Fprintf(out, "The server can serve this database now.\n")
}
