package main

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/backup"
	"github.com/postern-ca/postern/web/admin"
)

// backupsEvery is how late a backup is at most, and how soon a failed one is tried again.
const backupsEvery = time.Minute

// backups returns where backups are kept that are made by themselves; false if none are.
func (h *house) backups() (backup.Directory, bool) {
	b := h.cfg.Backup
	return backup.Directory{Path: b.Directory, Keep: b.Keep}, b.Directory != "" && b.At != "off"
}

// backUp makes the backup that is due, if one is, and deletes those that are no
// longer kept. A failure is told to staff, once a day.
func (h *house) backUp(ctx context.Context) error {
	dir, wanted := h.backups()
	if !wanted {
		return nil
	}
	err := h.backUpTo(ctx, dir)
	if err != nil && ctx.Err() == nil {
		err = errors.Join(err, h.alertBackup(ctx, err))
	}
	return err
}

func (h *house) backUpTo(ctx context.Context, dir backup.Directory) error {
	schedule, err := h.cfg.BackupSchedule()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir.Path, 0o700); err != nil {
		return err
	}
	newest, err := dir.Newest(h.now())
	if err != nil || !newest.Before(schedule.LastDaily(h.now())) {
		return err
	}
	write, err := h.backup(ctx, issuance.System("backup"), admin.BackupRequest{})
	if err != nil {
		return err
	}
	name := dir.Name(h.now())
	if err := backup.WriteFile(name, func(w io.Writer) error { return write(w) }); err != nil {
		return err
	}
	h.log.Info("backup made", "file", name)
	return dir.Prune(h.now())
}

// alertBackup tells staff that a backup could not be made.
func (h *house) alertBackup(ctx context.Context, why error) error {
	return issuance.Do(ctx, h.desk, h.store, func(_ issuance.Tx, e *issuance.Entry) error {
		told, err := e.Noted("backup failed", 24*time.Hour)
		if err != nil || told {
			return err
		}
		return e.Alert("", "The backup that was due could not be made: "+why.Error()+". It is tried again every minute.")
	})
}

// newestBackup is when the newest backup was made that was made by itself, in
// seconds since 1970; NaN if none are.
func (h *house) newestBackup() float64 {
	dir, wanted := h.backups()
	if !wanted {
		return math.NaN()
	}
	newest, err := dir.Newest(h.now())
	if err != nil || newest.IsZero() {
		return 0
	}
	return float64(newest.Unix())
}
