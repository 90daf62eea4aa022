package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
	"github.com/postern-ca/postern/storage/backup"
	"github.com/postern-ca/postern/web/admin"
)

// TestABackupUnderLoad makes backups by the command line while four writers write.
// Each is whole by bbolt's own check; the last one is restored and served. Nothing
// in the file can be read without its key.
func TestABackupUnderLoad(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	h := m.serve()
	order := h.order(t)
	_, token, err := h.staff.AddToken(t.Context(), issuance.System("test"), staff.TokenRequest{Name: "backup", Role: issuance.RoleAdministrator})
	must(t, err)
	_, officer, err := h.staff.AddToken(t.Context(), issuance.System("test"), staff.TokenRequest{Name: "officer", Role: issuance.RoleOfficer})
	must(t, err)
	h.issue(t, 200)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var written atomic.Int64
	for range 4 {
		writers.Go(func() {
			for ctx.Err() == nil {
				if err := h.store.Update(ctx, func(tx issuance.Tx) error {
					at := h.now()
					return errors.Join(
						tx.PutCertificate(issuance.Certificate{Serial: issuance.NewSerial(), Status: issuance.Active, Organization: "acme", Service: "acme.x", Issuer: "issuing-1", IssuedAt: at, NotAfter: at.AddDate(1, 0, 0), DER: make([]byte, 900)}),
						tx.AppendAudit(issuance.AuditRecord{At: at, Verb: issuance.IssueVerb}))
				}); err == nil {
					written.Add(1)
				}
			}
		})
	}
	defer writers.Wait()
	defer stop()
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	must(t, os.WriteFile(passphrase, []byte("correct horse battery staple\n"), 0o600))
	keyFile, recipient := ageKey(t)
	run := func(bearer issuance.Secret, args ...string) (int, string, []byte) {
		var out, errs bytes.Buffer
		status := cli.Run(t.Context(), cli.Options{
			Args: append([]string{"backup"}, args...), Environ: []string{"POSTERN_SERVER=" + h.cfg.Admin.URL, "POSTERN_TOKEN=" + string(bearer.Reveal())},
			In: strings.NewReader(""), Out: &out, Err: &errs,
		})
		return status, errs.String(), out.Bytes()
	}
	var last []byte
	for range 3 {
		before := written.Load()
		status, said, data := run(token, "--out", "-", "--recipient", recipient)
		if status != 0 {
			t.Fatal(said)
		}
		checkWhole(t, data, keyFile)
		last = data
		eventually(t, "writers that go on", func() bool { return written.Load() > before })
	}
	for _, secret := range []string{"anna", "@acme.example", "+41791234542", string(order), "acme.x", "ENCRYPTED PRIVATE KEY", string(h.cfg.CA.Passphrase.Reveal()), "trust_domain"} {
		if bytes.Contains(last, []byte(secret)) {
			t.Errorf("%q can be read in the backup", secret)
		}
	}
	sealed := filepath.Join(t.TempDir(), "postern.age")
	if status, said, _ := run(token, "--out", sealed, "--passphrase-file", passphrase, "--keys"); status != 0 {
		t.Fatal(said)
	}
	for _, refused := range []struct {
		bearer issuance.Secret
		says   string
		args   []string
	}{
		{officer, "may not backup databases", []string{"--recipient", recipient}},
		{token, "is not an age recipient", []string{"--recipient", "age1nobody"}},
		{token, "name at least one", nil},
		{token, "already exists", []string{"--recipient", recipient, "--out", sealed}},
	} {
		if status, said, _ := run(refused.bearer, append([]string{"--out", filepath.Join(t.TempDir(), "no.age")}, refused.args...)...); status == 0 || !strings.Contains(said, refused.says) {
			t.Errorf("%v: status %d: %s", refused.args, status, said)
		}
	}
	stop()
	writers.Wait()
	eventually(t, "the mark", func() bool { return h.mark.check(t.Context()) == nil })
	mark := m.file("postern.mark")
	m.down()

	clean := &machine{t: t, dir: filepath.Join(t.TempDir(), "new")}
	must(t, os.MkdirAll(clean.dir, 0o700))
	noted, err := os.ReadFile(mark)
	must(t, err)
	must(t, os.WriteFile(clean.file("postern.mark"), noted, 0o600))
	status, said := clean.run("restore", sealed, "--data", clean.dir, "--passphrase-file", passphrase, "--accept-loss")
	if status != 0 {
		t.Fatal(said)
	}
	wantSaid(t, said, "the seal key and the passphrase of the CA's keys are in it")
	clean.serve()
}

// checkWhole extracts a backup and has bbolt check its database.
func checkWhole(t *testing.T, data []byte, keyFile string) {
	t.Helper()
	text, err := os.ReadFile(keyFile)
	must(t, err)
	keys, err := age.ParseIdentities(bytes.NewReader(text))
	must(t, err)
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	about, err := backup.Extract(bytes.NewReader(data), keys, root)
	must(t, err)
	db, err := bbolt.Open(filepath.Join(dir, databaseFile), 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bbolt.Tx) (err error) {
		for e := range tx.Check() {
			err = errors.Join(err, e)
		}
		if n := tx.Bucket([]byte("audit")).Sequence(); n != about.HighWater.Audit {
			t.Errorf("it says that it has %d audit records, and has %d", about.HighWater.Audit, n)
		}
		return err
	}))
}

// TestBackupsAreMadeByThemselves has a house make the backups that are due, on a
// clock that is set by hand, and delete old ones.
func TestBackupsAreMadeByThemselves(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	h, err := m.open()
	must(t, err)
	defer h.close()
	_, recipient := ageKey(t)
	dir := filepath.Join(t.TempDir(), "backups")
	h.cfg.Backup.Directory, h.cfg.Backup.Keep, h.cfg.Backup.Recipients = dir, 2, []string{recipient}
	now := time.Now()
	h.now = func() time.Time { return now }
	count := func() int {
		all, err := os.ReadDir(dir)
		must(t, err)
		return len(all)
	}
	for _, c := range []struct {
		later time.Duration
		want  int
	}{{0, 1}, {time.Minute, 1}, {24 * time.Hour, 2}, {24 * time.Hour, 2}, {time.Hour, 2}} {
		now = now.Add(c.later)
		must(t, h.backUp(t.Context()))
		if got := count(); got != c.want {
			t.Errorf("%v later there are %d backups, want %d", c.later, got, c.want)
		}
	}
	if age := float64(now.Unix()) - h.newestBackup(); age < 0 || age > 7200 {
		t.Errorf("the newest backup is %v seconds old", age)
	}
	must(t, os.RemoveAll(dir))
	must(t, os.WriteFile(dir, nil, 0o600)) // no directory any more
	h.desk.Alerts = []string{"duty@postern.example"}
	if err := h.backUp(t.Context()); err == nil {
		t.Error("a backup that cannot be made is no error")
	}
	if err := h.backUp(t.Context()); err == nil {
		t.Error("nor is the second")
	}
	must(t, h.registrar.Read(t.Context(), func(tx issuance.Reader) error {
		sent, _, err := tx.Notices(issuance.NoticeQuery{State: issuance.Pending})
		if len(sent) != 1 || !strings.Contains(sent[0].Text, "backup that was due could not be made") {
			t.Errorf("staff are told %d times: %+v", len(sent), sent)
		}
		return err
	}))
}

// TestAnInterruptedRestoreBeginsAgain stops a restore before each of its steps.
func TestAnInterruptedRestoreBeginsAgain(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.serve()
	key, recipient := ageKey(t)
	file := filepath.Join(t.TempDir(), "postern.age")
	m.backUpAs(file, admin.BackupRequest{Recipients: []string{recipient}})
	m.down()
	clean := &machine{t: t, dir: filepath.Join(t.TempDir(), "new")}
	again := func() (int, string) {
		return clean.run("restore", file, "--data", clean.dir, "--identity", key)
	}
	if status, said := again(); status != 0 {
		t.Fatal(said)
	}
	// As if the database had not been put there: the CA is, and the stage.
	must(t, os.MkdirAll(clean.file(stageDirectory), 0o700))
	must(t, os.WriteFile(clean.file(filepath.Join(stageDirectory, placingFile)), nil, 0o600))
	must(t, os.Rename(clean.file(databaseFile), clean.file(filepath.Join(stageDirectory, databaseFile))))
	clean.bring(m)
	if h, err := clean.open(); err == nil {
		h.close()
		t.Error("half a restore is served")
	}
	if status, said := again(); status != 0 {
		t.Fatal(said)
	}
	if _, err := os.Stat(clean.file(stageDirectory)); err == nil {
		t.Error("the stage is left")
	}
	// A backup that is cut leaves nothing.
	cut := &machine{t: t, dir: filepath.Join(t.TempDir(), "cut")}
	data, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, data[:len(data)-1], 0o600))
	if status, said := cut.run("restore", file, "--data", cut.dir, "--identity", key); status != 1 || !strings.Contains(said, "truncated or was altered") {
		t.Errorf("of a backup that was cut: status %d: %s", status, said)
	}
	left, err := os.ReadDir(cut.dir)
	if must(t, err); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
