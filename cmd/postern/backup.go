package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/backup"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/web/admin"
)

// The members of a backup. What lies below filesMember is what the configuration names.
const (
	configMember     = "config/postern.yaml"
	filesMember      = "files/"
	caMember         = caDirectory + "/"
	sealMember       = "keys/seal.key"
	passphraseMember = "keys/ca.passphrase"
)

// backup returns what writes a backup of everything, encrypted to those in q; to
// those of the configuration if q names none. That it is made is audited before
// the first byte leaves.
func (h *house) backup(ctx context.Context, by issuance.Actor, q admin.BackupRequest) (func(io.Writer) error, error) {
	if err := by.May(issuance.BackupVerb, issuance.DatabaseNoun); err != nil {
		return nil, err
	}
	to, field := q.Recipients, "recipients"
	if len(to) == 0 {
		to = h.cfg.Backup.Recipients
	}
	recipients, err := backup.ParseRecipients(field, to)
	if err != nil {
		return nil, err
	}
	files, about, err := h.backupFiles(q.Keys)
	if err != nil {
		return nil, err
	}
	if err := h.auditBackup(ctx, by, len(recipients), q.Keys); err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		return h.store.Copy(ctx, func(c bolt.Copy) error {
			if about.HighWater, err = issuance.ReadHighWater(c, h.now()); err != nil {
				return err
			}
			if about.HighWater.CRLs[ca.RootID], err = h.authority.RootCRLNumber(); err != nil {
				return err
			}
			if about.Certificates, err = c.Totals(h.now()); err != nil {
				return err
			}
			database := backup.Member{Name: databaseFile, Size: c.Size, Write: func(w io.Writer) error {
				_, err := c.WriteTo(w)
				return err
			}}
			return backup.Write(w, recipients, about, append(files, database))
		})
	}, nil
}

func (h *house) auditBackup(ctx context.Context, by issuance.Actor, recipients int, keys bool) error {
	return issuance.Do(ctx, h.desk, h.store, func(_ issuance.Tx, e *issuance.Entry) error {
		e.Audit(by, issuance.BackupVerb, issuance.AuditRecord{Detail: map[string]string{
			"recipients": strconv.Itoa(recipients), "keys": strconv.FormatBool(keys),
		}})
		return nil
	})
}

// backupFiles returns everything but the database: the CA's directory, the
// configuration and what that names; the seal key and the passphrase of the CA's
// keys only if keys says so.
func (h *house) backupFiles(keys bool) (all []backup.Member, about backup.About, err error) {
	root := sha256.Sum256(h.authority.Root().Raw)
	about = backup.About{
		Version: cli.VersionOf(version), TrustDomain: h.cfg.CA.TrustDomain, Root: hex.EncodeToString(root[:]),
		Keys: keys, Files: make(map[string]string),
	}
	add := func(member, path string) error {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(member, filesMember) {
			h.log.Warn("a file named in the configuration does not exist, and is not in the backup", "file", path)
			delete(about.Files, member)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading what belongs into the backup: %w", err)
		}
		all = append(all, backup.Bytes(member, data))
		return nil
	}
	if text, err := h.cfg.Text(keys); err != nil {
		return nil, about, err
	} else if text != nil {
		all = append(all, backup.Bytes(configMember, text))
	}
	for i, name := range h.namedFiles() {
		member := fmt.Sprintf("%s%d-%s", filesMember, i+1, memberName(name))
		about.Files[member] = h.cfg.Beside(name)
		if err := add(member, name); err != nil {
			return nil, about, err
		}
	}
	dir := filepath.Join(h.cfg.Data, caDirectory)
	names, err := ca.Files(dir)
	if err != nil {
		return nil, about, err
	}
	for _, name := range names {
		if err := add(caMember+name, filepath.Join(dir, name)); err != nil {
			return nil, about, err
		}
	}
	if keys {
		all = append(all, backup.Bytes(passphraseMember, h.cfg.CA.Passphrase.Reveal()))
		err = add(sealMember, h.cfg.Seal.KeyFile)
	}
	return all, about, err
}

// namedFiles are the files that the configuration names, each once.
func (h *house) namedFiles() []string {
	var names []string
	for _, name := range h.cfg.Named() {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// memberName returns a name as a member of a backup may have it.
func memberName(path string) string {
	name := []byte(filepath.Base(path))
	for i, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			name[i] = '_'
		}
	}
	return string(name[max(0, len(name)-60):])
}
