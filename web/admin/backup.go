package admin

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// BackupRequest says who a backup is encrypted for, and what it contains.
type BackupRequest struct {
	Recipients []string // of age; none: those of the configuration
	Keys       bool     // the seal key and the passphrase of the CA's keys too
}

// Backup checks a request, records it, and returns what writes the backup.
type Backup func(ctx context.Context, by issuance.Actor, q BackupRequest) (func(io.Writer) error, error)

// backupStall is how long a client may stop reading a backup: while it is being written,
// the database keeps every page that is overwritten.
const backupStall = time.Minute

func (a *API) backup(c *call) (any, error) {
	var q BackupRequest
	if _, err := c.read(fields{"recipients": texts(&q.Recipients), "keys": flag(&q.Keys)}); err != nil {
		return nil, err
	}
	write, err := a.opts.Backup(c.r.Context(), c.by, q)
	if err != nil {
		return nil, err
	}
	name := "postern-" + a.opts.Now().UTC().Format("20060102T150405Z") + ".age"
	return stream{name, write}, nil
}

// stream is an answer that is a file, written while it is made.
type stream struct {
	name  string
	write func(io.Writer) error
}

// serve writes s. If that fails the connection is cut, so that nobody mistakes a part
// for the whole.
func (s stream) serve(a *API, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+s.name+`"`)
	w.Header().Set("Cache-Control", "no-store")
	if err := s.write(patient{w}); err != nil {
		a.opts.Log.Error("a file could not be sent", "file", s.name, "error", err, "path", r.URL.Path)
		panic(http.ErrAbortHandler)
	}
}

// patient gives each part of an answer its own time.
type patient struct{ w http.ResponseWriter }

func (p patient) Write(b []byte) (int, error) {
	server.Extend(p.w, backupStall)
	return p.w.Write(b)
}
