package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/cmd/postern/safedir"
	"github.com/postern-ca/postern/issuance"
)

const (
	checkpointsEvery  = 10 * time.Second // how late a checkpoint is at most
	checkpointAgain   = time.Minute      // after which one that did not arrive is sent again
	checkpointAlarm   = time.Hour        // after which staff are told of one that does not arrive
	checkpointTimeout = 20 * time.Second
)

// latestNote is how far the newest checkpoint has come. A checkpoint covers all
// records before it, so only the newest has to arrive: one that could not be
// delivered is given up when the next is made, and each start makes one. So there
// is nothing to keep in the database.
type latestNote struct {
	head    issuance.AuditHead
	signed  time.Time
	note    []byte // nil: none was made since the start
	file    bool   // it is in the file
	posted  bool   // the webhook has it
	since   time.Time
	tryNext time.Time
	at      atomic.Int64 // Unix time of the newest that arrived everywhere
}

// checkpoint signs a checkpoint if it is time to, and delivers the newest one until
// it has arrived everywhere.
func (a *auditor) checkpoint(ctx context.Context) error {
	now, d := a.house.now(), &a.sent
	head, err := a.durableHead(ctx)
	if err != nil {
		return err
	}
	c := a.house.cfg.Audit
	if d.note == nil || head.Seq >= d.head.Seq+uint64(c.CheckpointRecords) || now.Sub(d.signed).Abs() >= c.CheckpointEvery {
		if err := a.sign(head, now); err != nil {
			return err
		}
	}
	if d.file && d.posted || now.Before(d.tryNext) && d.tryNext.Sub(now) <= checkpointAgain {
		return nil
	}
	if err = a.deliver(ctx); err == nil {
		d.at.Store(now.Unix())
		return nil
	}
	d.tryNext = now.Add(checkpointAgain)
	if now.Sub(d.since) >= checkpointAlarm && ctx.Err() == nil {
		err = errors.Join(err, a.house.registrar.Alarm(ctx, "checkpoint",
			"A checkpoint of the audit records does not arrive where it is to be kept: "+err.Error()+". It is sent again every minute."))
	}
	return err
}

// durableHead returns the head of the chain: not one that a crash could take back.
func (a *auditor) durableHead(ctx context.Context) (head issuance.AuditHead, err error) {
	err = a.house.store.History().View(ctx, func(r issuance.HistoryReader) error {
		head = r.AuditHead()
		return nil
	})
	if err == nil {
		err = a.house.store.Settle(ctx)
	}
	return head, err
}

// sign makes a checkpoint, and writes it to the log.
func (a *auditor) sign(head issuance.AuditHead, now time.Time) error {
	note, err := a.key.Sign(head, now)
	if err != nil {
		return err
	}
	a.house.log.Info("audit checkpoint", "record", head.Seq, "link", string(head.Link), "note", string(note))
	d, c := &a.sent, a.house.cfg.Audit
	if d.file && d.posted || d.note == nil {
		d.since = now
	}
	d.head, d.signed, d.note, d.tryNext = head, now, note, now
	if d.file, d.posted = c.CheckpointFile == "", c.CheckpointWebhook == ""; d.file && d.posted {
		d.at.Store(now.Unix()) // the log is all that is to have it
	}
	return nil
}

// deliver brings the newest checkpoint to where it is not yet.
func (a *auditor) deliver(ctx context.Context) error {
	d, c := &a.sent, a.house.cfg.Audit
	var failed, err error
	if !d.file {
		if err = appendNote(c.CheckpointFile, d.note); err == nil {
			d.file = true
		}
		failed = err
	}
	if !d.posted {
		if err = postNote(ctx, c.CheckpointWebhook, d.note); err == nil {
			d.posted = true
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// appendNote puts a note at the end of a file, durably, behind a blank line: what a
// crash may have left of another is on lines of its own.
func appendNote(path string, note []byte) (err error) {
	dir, err := safedir.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("audit.checkpoint_file: %w", err)
	}
	defer dir.Close() //nolint:errcheck // nothing is written through it
	f, err := safedir.File(dir, filepath.Base(path), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("audit.checkpoint_file: %w", err)
	}
	_, err = f.Write(append([]byte("\n"), note...))
	if err = errors.Join(err, f.Sync(), f.Close(), safedir.Sync(dir)); err != nil {
		return fmt.Errorf("audit.checkpoint_file: %w", err)
	}
	return nil
}

// postNote sends a note. What is not answered with 2xx has not arrived.
func postNote(ctx context.Context, address string, note []byte) error {
	ctx, cancel := context.WithTimeout(ctx, checkpointTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(note))
	if err != nil {
		return errors.New("audit.checkpoint_webhook: the address cannot be used")
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the address may have a password in it
		}
		return fmt.Errorf("audit.checkpoint_webhook: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // it is not read on
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode/100 != 2 {
		text := strings.ToLower(http.StatusText(answer.StatusCode)) // "" if it is none of HTTP's
		return fmt.Errorf("audit.checkpoint_webhook: it answered %s", strings.TrimSpace(fmt.Sprint(answer.StatusCode, " ", text)))
	}
	return nil
}
