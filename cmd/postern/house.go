package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
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
func openWith(ctx context.Context, cfg *config.Config, log *slog.Logger, read func() issuance.Reading, database string) (h *house, err error) {
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
			Kind: issuance.Unavailable, Code: issuance.CodeState, Message: "there is a CA in " + cfg.Data + ", but no database " + databaseFile,
			Hint: "restore the database from a backup, or mount the right volume; an empty one would forget every revocation",
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
	clients := &ca.Clients{Authority: h.authority, Certificate: h.standing.Certificate, Service: h.standing.Service, Now: h.now, Wall: h.clock.Wall}
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
	h.reports = &report.Office{Desk: h.desk, Store: h.store.Reports(), Schedule: schedule, Policy: h.cfg.Policy(), Channels: h.channelStates}
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

// The timers of the house.
const (
	sweepEvery = 5 * time.Second
	seenEvery  = 10 * time.Second // a crash loses the uses of so long
	// channelsEvery is how late staff are told of a channel that fails, beyond the time that a message may wait.
	channelsEvery = 30 * time.Second
	rootEvery     = time.Hour // looks whether the root's CRL is due
	// viewsEvery is how soon the views are compared when it is time to.
	viewsEvery = 10 * time.Second
	// secretsEvery is how soon a secret's file that was changed is noticed.
	secretsEvery = 5 * time.Second
	// reportsEvery is how late a report is at most.
	reportsEvery = 20 * time.Second
)

// run serves until ctx ends or something breaks that the house cannot do
// without. ready is called once every listener serves.
func (h *house) run(ctx context.Context, ready func()) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	part := func(name string, f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	for channel, c := range h.couriers {
		part("courier for "+string(channel), c.Run)
	}
	part("publisher", h.publisher.Run)
	part("refused signatures", h.tellUnsigned)
	if h.cfg.CA.OCSPPresign {
		part("OCSP answers", h.responder.Presign)
	}
	part("sweep", h.every(sweepEvery, "sweeping", h.registrar.Sweep))
	part("root CRL", h.every(rootEvery, "renewing the root's CRL", func(context.Context) error { return h.authority.RenewRootCRL(h.clock.Signing()) }))
	part("views", h.every(viewsEvery, "comparing the views of revocation", h.monitor.Look))
	part("clock", h.every(clockEvery, "watching the clock", h.watchClock))
	part("refused sign-ins", h.every(refusedEvery, "counting refused sign-ins", h.tellRefused))
	part("first token", h.every(firstTokenEvery, "removing the first administrator's token", h.removeFirst))
	part("local tokens", h.every(localEvery, "answering a request for a token on this machine", h.answerLocal))
	part("receipts", h.every(time.Hour, "forgetting receipts", h.registrar.Forget))
	part("secrets", h.every(secretsEvery, "reading secrets again", h.reload.secrets))
	part("channels", h.every(channelsEvery, "watching the channels", h.watchChannels))
	part("reports", h.every(reportsEvery, "queueing the reports", h.reports.Queue))
	part("backups", h.every(backupsEvery, "making the backup that is due", h.backUp))
	part("high-water mark", h.every(markEvery, "noting the high-water mark", h.mark.note))
	part("audit chain", h.every(auditEvery, "checking the audit records", h.auditor.look))
	part("checkpoints", h.every(checkpointsEvery, "signing a checkpoint of the audit records", h.auditor.checkpoint))
	part("uses", h.every(seenEvery, "storing the uses of certificates", h.seen.Flush))
	for _, s := range h.listeners.all() {
		part("listener", s.Serve)
	}
	ready()
	debug.FreeOSMemory() // reading templates, texts and keys took several times what is kept
	collectLess()
	<-ctx.Done()
	all.Wait()
	h.keepSeen()
	h.keepRefused()
	h.keepClock()
	h.noteLast()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// keepSeen stores the uses that were counted since the timer's last round: those
// of the requests that the listeners have just finished are among them.
func (h *house) keepSeen() {
	ctx, cancel := context.WithTimeout(context.Background(), seenEvery)
	defer cancel()
	if err := h.seen.Flush(ctx); err != nil {
		h.log.Error("storing the uses of certificates", "error", err)
	}
}

// noteLast notes what happened since the timer's last round.
func (h *house) noteLast() {
	ctx, cancel := context.WithTimeout(context.Background(), seenEvery)
	defer cancel()
	if err := h.mark.note(ctx); err != nil {
		h.log.Error("noting the high-water mark", "error", err)
	}
}

// collectLess lets the heap grow to five times what is alive, instead of twice,
// before garbage is collected: it costs some tens of megabytes under load, and
// saves up to a quarter of the processor time. GOGC in the environment says otherwise.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// every returns a part that calls f now and then each interval, and logs what
// goes wrong: the next round may do better.
func (h *house) every(interval time.Duration, what string, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				h.log.Error(what, "error", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// newLog returns a logger as the configuration asks for.
func newLog(c config.Log, w io.Writer) *slog.Logger {
	log, _ := newLevelLog(c, w)
	return log
}

// newLevelLog is newLog whose level can be changed.
func newLevelLog(c config.Log, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	setLevel(level, c)
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

// setLevel sets what c says; info if it says nothing that is known.
func setLevel(level *slog.LevelVar, c config.Log) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.Level)); err != nil {
		l = slog.LevelInfo
	}
	level.Set(l)
}

// initialized reports whether the data directory has a CA.
func initialized(cfg *config.Config) bool {
	_, err := os.Stat(filepath.Join(cfg.Data, caDirectory, ca.RootID+".pem"))
	return err == nil
}
