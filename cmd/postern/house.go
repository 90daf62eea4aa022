package main

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/ca/badkeys"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
)

// The files in the data directory.
const (
	databaseFile = "postern.db"
	caDirectory  = "ca"
)

// house is everything that runs, wired: the only place where the packages meet.
type house struct {
	cfg       *config.Config
	log       *slog.Logger
	clock     *issuance.Clock
	now       func() time.Time // the clock's
	store     *bolt.Store
	blocked   *badkeys.Lists
	mark      *marker // nil on a database that is not the one of the configuration
	authority *ca.Authority
	unsigned  unsigned
	responder *ca.Responder
	publisher *ca.Publisher
	monitor   *ca.Monitor
	auditor   *auditor
	desk      *issuance.Desk
	registrar *issuance.Registrar
	standing  *issuance.Standing // of clients, as they are checked
	staff     *staff.Office
	reports   *report.Office
	seen      *issuance.Seen   // uses of certificates
	outbox    *delivery.Outbox // nil unless a channel ends there
	couriers  map[issuance.Channel]*delivery.Courier
	proxies   *proxies
	shown     listenerCertificates // the certificates that listeners show
	reload    *reloader
	listeners listeners
	room      room // of their connections
}

// open opens the store and the CA and wires the rest; nothing is served or runs
// yet. The caller must close the house.
func open(ctx context.Context, cfg *config.Config, log *slog.Logger, now func() time.Time) (*house, error) {
	return openWith(ctx, cfg, log, readings(now), filepath.Join(cfg.Data, databaseFile))
}

// openWith is open with the machine's clocks and the database at a path.
func openWith(
	ctx context.Context, cfg *config.Config, log *slog.Logger, read func() issuance.Reading, database string,
) (h *house, err error) {
	h = &house{cfg: cfg, log: log, unsigned: make(unsigned, maxUnsigned)}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	key, err := seal.Load(cfg.Seal.KeyFile)
	if err != nil {
		return h, err
	}
	if found, err := exists(filepath.Join(cfg.Data, databaseFile)); err != nil {
		return h, err
	} else if !found {
		// An empty database beside this CA would call every revoked certificate good.
		return h, &issuance.Error{
			Kind: issuance.Unavailable, Code: issuance.CodeState,
			Message: "there is a CA in " + cfg.Data + ", but no database " + databaseFile,
			Hint:    "restore the database from a backup, or mount the right volume; an empty one would forget every revocation",
		}
	}
	if h.store, err = bolt.Open(bolt.Options{
		Path: database, Key: key, Log: log,
		Existing: database == filepath.Join(cfg.Data, databaseFile), // a rehearsal brings an empty one
	}); err != nil {
		return h, err
	}
	if err := h.startClock(ctx, read); err != nil {
		return h, err
	}
	if h.authority, err = ca.Open(ca.OpenOptions{
		Dir: filepath.Join(cfg.Data, caDirectory), TrustDomain: cfg.CA.TrustDomain, Passphrase: cfg.CA.Passphrase,
		URLs: ca.URLs{Base: cfg.Plain.URL}, Shards: cfg.CA.CRLShards, Now: h.clock.Signing,
		Validity: cfg.Policy().Validity, Backdate: cfg.Policy().Backdate, Refused: h.refused,
	}); err != nil {
		return h, err
	}
	// Before anything is published of the database: it may be an old copy.
	if database == filepath.Join(cfg.Data, databaseFile) {
		if h.mark, err = openMark(ctx, cfg.Storage.MarkFile, h.store, h.authority, h.now); err != nil {
			return h, err
		}
	}
	h.newDesk()
	if err := h.recordCAs(ctx); err != nil {
		return h, err
	}
	if err := h.newAuditor(ctx); err != nil {
		return h, err
	}
	h.seen = &issuance.Seen{Store: h.store, Now: h.now}
	if err := h.revocation(ctx); err != nil {
		return h, err
	}
	if err := h.offices(); err != nil {
		return h, err
	}
	h.monitored()
	// bbolt has one process: whatever was being sent was so by one that is dead.
	if err := errors.Join(h.registrar.Recover(ctx), h.registrar.Distinguish(ctx)); err != nil {
		return h, err
	}
	if err := h.newCouriers(); err != nil {
		return h, err
	}
	h.reload = &reloader{house: h, used: cfg, read: cfg}
	return h, h.listen(ctx)
}

// close gives everything up that open took. It may be called on half a house.
func (h *house) close() error {
	err := h.listeners.close()
	if h.blocked != nil {
		err = errors.Join(err, h.blocked.Close())
	}
	if h.mark != nil {
		err = errors.Join(err, h.mark.close())
	}
	if h.store != nil {
		err = errors.Join(err, h.store.Close())
	}
	return err
}

// revocation wires CRLs and OCSP and loads them.
func (h *house) revocation(ctx context.Context) error {
	h.responder = &ca.Responder{
		Store: h.store.Feed(), Issuers: h.authority.Issuers(),
		Lifetime: h.cfg.CA.OCSPLifetime, Nonce: h.cfg.CA.OCSPNonce, Now: h.clock.Signing, Log: h.log,
		Signed: func(c *x509.Certificate) error { return h.recordSigned(issuance.SignVerb, "OCSP responder", c) },
	}
	if err := h.responder.Load(); err != nil {
		return err
	}
	h.publisher = &ca.Publisher{
		Store: h.store.Feed(), Issuers: h.authority.Issuers(), RootCRL: h.authority.RootCRL, Responder: h.responder,
		Lifetime: h.cfg.CA.CRLLifetime, DropReasons: !h.cfg.CA.CRLReasons, Now: h.clock.Signing, Log: h.log,
		Shards: h.authority.ShardCounts(), Delta: h.cfg.CA.CRLDelta, URLs: ca.URLs{Base: h.cfg.Plain.URL},
	}
	if h.mark != nil {
		h.publisher.Note = h.mark.note
	}
	return h.publisher.Load(ctx)
}

// monitored wires who compares what the house says of revocation with the register.
func (h *house) monitored() {
	clients := &ca.Clients{
		Authority: h.authority, Certificate: h.standing.Certificate, Service: h.standing.Service, Now: h.now,
		Wall: h.clock.Wall,
	}
	h.monitor = &ca.Monitor{
		Store: h.store.Feed(), Publisher: h.publisher, Responder: h.responder, Now: h.clock.Signing, Log: h.log,
		Check: func(ctx context.Context, c *x509.Certificate) error {
			_, err := clients.Check(ctx, c)
			return err
		},
		Alert: func(ctx context.Context, text string) error { return h.registrar.Alarm(ctx, "views", text) },
	}
}

// offices makes those that decide, one for each room, over one desk.
func (h *house) offices() (err error) {
	schedule, err := h.cfg.Reports.Schedule()
	if err != nil {
		return err
	}
	if h.blocked, err = badkeys.Open(h.cfg.CA.BlockedKeys); err != nil {
		return issuance.Invalidf("ca.blocked_keys", err.Error(), "name a file or a directory with lists of keys, or leave it out")
	}
	h.staff = &staff.Office{Desk: h.desk, Store: h.store.Staff(), FourEyes: h.cfg.Policy().FourEyes}
	h.reports = &report.Office{
		Desk: h.desk, Store: h.store.Reports(), Schedule: schedule, Policy: h.cfg.Policy(), Channels: h.channelStates,
	}
	if err := errors.Join(h.staff.Check(), h.reports.Check()); err != nil {
		return err
	}
	h.standing = issuance.NewStanding(h.store, h.store.Version)
	h.registrar, err = issuance.New(issuance.Config{
		Desk: h.desk, Store: h.store, Signer: h.authority, Policy: h.cfg.Policy(),
		NewKey: ca.NewKey, KeyOf: ca.KeyAlgorithmOf, ReadCSR: ca.CSRReader(h.blocked.Problem), Pack: delivery.Pack,
		NewPassword: delivery.NewPassword, NewSeed: delivery.NewSeed, Code: delivery.Code, CheckCode: delivery.CheckCode,
		ReadMobile: delivery.ReadMobile(h.cfg.SMS.Countries, h.cfg.Rules.PhoneRegion), ASCIIAddress: delivery.ASCIIAddress,
		Workers: runtime.GOMAXPROCS(0), AskTime: h.timeServers(),
		Documents: map[issuance.NoticeKind]func(context.Context, string) (issuance.Document, error){
			issuance.ReportNotice: h.reports.Document,
		},
	})
	return err
}

// newDesk makes what the rooms share. Nothing that wakes anybody is done before
// there are couriers and a publisher.
func (h *house) newDesk() {
	h.desk = &issuance.Desk{
		Now: h.now, Clock: h.clock, Log: h.log, Alerts: h.cfg.Reports.To, Mobiles: h.cfg.Reports.Mobile,
		WakeCourier:   func(c issuance.Channel) { h.couriers[c].Wake() },
		WakePublisher: func() { h.publisher.Wake() },
	}
}

// initialized reports whether the data directory has a CA.
func initialized(cfg *config.Config) bool {
	_, err := os.Stat(filepath.Join(cfg.Data, caDirectory, ca.RootID+".pem"))
	return err == nil
}
