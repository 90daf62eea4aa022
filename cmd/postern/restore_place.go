package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/backup"
	"github.com/postern-ca/postern/storage/durable"
	"github.com/postern-ca/postern/storage/mark"
)

const (
	// stageDirectory is where a backup is unpacked, in the data directory.
	stageDirectory = ".restoring"
	// placingFile is there from when the first file of a restore goes into place
	// until the last one has.
	placingFile = "placing"
	// restoredDirectory has the files that the configuration names with absolute names.
	restoredDirectory = "restored-files"
)

// placing is a backup on its way into a data directory.
type placing struct {
	data   string
	config string // where the configuration is, or goes
	has    bool   // there is one on this machine: it stays
	cfg    *config.Config
	cmd    *cobra.Command
	s      *settings
}

// newPlacing looks where the backup goes, and refuses a place where there is
// something already.
func newPlacing(cmd *cobra.Command, s *settings) (p *placing, err error) {
	p = &placing{config: s.configPath(), cmd: cmd, s: s}
	if p.has, err = exists(p.config); err != nil {
		return nil, err
	}
	switch {
	case p.has:
		if p.cfg, err = s.places(cmd); err != nil {
			return nil, err
		}
		p.data = p.cfg.Data
	case cmd.Flags().Changed("data"):
		p.data = *s.keys["data"]
	case os.Getenv("POSTERN_DATA") != "":
		p.data = os.Getenv("POSTERN_DATA")
	default:
		return nil, issuance.Invalidf("data", "is not set, and there is no "+p.config+" that sets it",
			"name the data directory with --data; the backup's configuration is put at "+p.config)
	}
	return p, p.prepare()
}

// prepare makes the data directory and an empty one in it to unpack in.
func (p *placing) prepare() error {
	if err := os.MkdirAll(p.data, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if err := ownDirectory(p.data); err != nil {
		return err
	}
	database, err := exists(p.at(databaseFile))
	if err != nil {
		return err
	}
	if database {
		return occupied(p.at(databaseFile))
	}
	interrupted, err := exists(p.at(stageDirectory, placingFile))
	if err != nil {
		return err
	}
	if interrupted { // the CA that is there came from a restore that did not end
		if err := os.RemoveAll(p.at(caDirectory)); err != nil {
			return fmt.Errorf("removing what an interrupted restore left: %w", err)
		}
	}
	if there, err := exists(p.at(caDirectory)); err != nil {
		return err
	} else if there {
		return occupied(p.at(caDirectory))
	}
	if err := os.RemoveAll(p.at(stageDirectory)); err != nil {
		return fmt.Errorf("removing what an interrupted restore left: %w", err)
	}
	return os.Mkdir(p.at(stageDirectory), 0o700)
}

func (p *placing) at(parts ...string) string {
	return filepath.Join(append([]string{p.data}, parts...)...)
}

func occupied(path string) error {
	return &issuance.Error{
		Kind: issuance.Conflict, Code: issuance.CodeState, Message: path + " already exists; nothing was changed",
		Hint: "restore into an empty data directory: stop the server and move the old one away first " +
			"(keep it, it may be the newer one)",
	}
}

// stage unpacks the backup beside where it goes: nothing is in place unless all of
// it is as it was written.
func (p *placing) stage(in io.Reader, keys []age.Identity) (backup.About, error) {
	root, err := os.OpenRoot(p.at(stageDirectory))
	if err != nil {
		return backup.About{}, fmt.Errorf("unpacking the backup: %w", err)
	}
	about, err := backup.Extract(in, keys, root)
	if err = errors.Join(err, root.Close()); err != nil {
		return about, errors.Join(err, os.RemoveAll(p.at(stageDirectory)))
	}
	for _, needed := range []string{databaseFile, caDirectory} {
		if there, err := exists(p.at(stageDirectory, needed)); err != nil || !there {
			return about, errors.Join(err, fmt.Errorf("this backup has no %s", needed), os.RemoveAll(p.at(stageDirectory)))
		}
	}
	return about, nil
}

// put puts everything in its place, the database last: until it is there, the
// server does not start, and a restore begins anew.
func (p *placing) put(out io.Writer, about backup.About) error {
	if err := p.readStaged(); err != nil {
		return err
	}
	for _, step := range []func(io.Writer, backup.About) error{p.note, p.putConfig, p.putFiles, p.putKeys, p.putData} {
		if err := step(out, about); err != nil {
			return err
		}
	}
	return nil
}

// readStaged reads where the configuration of the backup keeps things, if there is
// none on this machine.
func (p *placing) readStaged() (err error) {
	if p.has {
		return nil
	}
	staged := p.at(stageDirectory, filepath.FromSlash(configMember))
	if there, err := exists(staged); err != nil {
		return err
	} else if !there { // it was all in the environment
		p.cfg, err = p.s.places(p.cmd)
		return err
	}
	text, err := os.ReadFile(staged)
	if err != nil {
		return fmt.Errorf("reading the configuration of the backup: %w", err)
	}
	o := p.s.options(p.cmd)
	o.Path, o.Text = p.config, text
	p.cfg, err = config.Places(o)
	return err
}

// note has the mark say, before there is a database, that it came from a copy.
func (p *placing) note(_ io.Writer, about backup.About) error {
	if err := os.WriteFile(p.at(stageDirectory, placingFile), nil, 0o600); err != nil {
		return err
	}
	if err := durable.SyncDir(p.at(stageDirectory)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.cfg.Storage.MarkFile), 0o700); err != nil {
		return fmt.Errorf("making the directory of the high-water mark: %w", err)
	}
	file, err := mark.Open(p.cfg.Storage.MarkFile)
	if err != nil {
		return err
	}
	last, any := file.Last()
	progress := issuance.Progress{HighWater: last.HighWater, Since: last.HighWater}
	if !any {
		progress.HighWater, progress.Since = about.HighWater, about.HighWater
	}
	progress.Restored = &issuance.Restored{
		Why: "was restored from a backup of " + about.At().Format(timeLayout), Base: about.HighWater,
	}
	return errors.Join(file.Append(progress), file.Close())
}

// putConfig puts the configuration there, if there is none.
func (p *placing) putConfig(out io.Writer, _ backup.About) error {
	staged := p.at(stageDirectory, filepath.FromSlash(configMember))
	there, err := exists(staged)
	if err != nil || !there {
		return err
	}
	if p.has {
		fmt.Fprintf(out, "kept    %s; that of the backup was not put there\n", p.config)
		return nil
	}
	return placeNew(out, staged, p.config)
}

// putFiles puts the files that the configuration names beside it. Those with
// absolute names go below the data directory: a backup does not say who made it.
func (p *placing) putFiles(out io.Writer, about backup.About) error {
	var members []string
	for member := range about.Files {
		members = append(members, member)
	}
	slices.Sort(members)
	for _, member := range members {
		name := about.Files[member]
		staged := p.at(stageDirectory, filepath.FromSlash(member))
		if there, err := exists(staged); err != nil || !there {
			return errors.Join(err, fmt.Errorf("this backup has no %s", member))
		}
		to := filepath.Join(filepath.Dir(p.config), name)
		if !filepath.IsLocal(name) {
			to = p.at(restoredDirectory, filepath.Base(staged))
		}
		if err := placeNew(out, staged, to); err != nil {
			return err
		}
		if !filepath.IsLocal(name) {
			fmt.Fprintf(out, "        which was %s: move it there\n", name)
		}
	}
	return nil
}

// putKeys puts the seal key and the passphrase there, if the backup has them.
func (p *placing) putKeys(out io.Writer, about backup.About) error {
	if !about.Keys {
		return nil
	}
	if err := placeNew(out, p.at(stageDirectory, filepath.FromSlash(sealMember)), p.cfg.Seal.KeyFile); err != nil {
		return err
	}
	return placeNew(out, p.at(stageDirectory, filepath.FromSlash(passphraseMember)), p.at(passphraseFile))
}

// putData puts the CA and the database in place.
func (p *placing) putData(out io.Writer, _ backup.About) error {
	for _, name := range []string{caDirectory, databaseFile} {
		if err := os.Rename(p.at(stageDirectory, name), p.at(name)); err != nil {
			return fmt.Errorf("putting %s in place: %w", name, err)
		}
		if err := durable.SyncDir(p.data); err != nil {
			return err
		}
		fmt.Fprintf(out, "placed  %s\n", p.at(name))
	}
	if err := os.RemoveAll(p.at(stageDirectory)); err != nil {
		return fmt.Errorf("removing what is no longer needed: %w", err)
	}
	return nil
}

// placeNew copies a file to where nothing is; what is there stays.
func placeNew(out io.Writer, from, to string) error {
	if there, err := exists(to); err != nil {
		return err
	} else if there {
		fmt.Fprintf(out, "kept    %s; that of the backup was not put there\n", to)
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("reading a file of the backup: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	if err := writeNew(to, data, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(out, "placed  %s\n", to)
	return durable.SyncDir(filepath.Dir(to))
}

// ownDirectory refuses a directory in which others could put something in our way.
func ownDirectory(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("looking at the data directory: %w", err)
	case !info.IsDir():
		return issuance.Invalidf("data", dir+" is not a directory", "name a directory, not a link to one")
	case info.Mode().Perm()&0o022 != 0 || !owned(info):
		return issuance.Invalidf("data", dir+" can be written by other users", "chmod 700 "+dir+", and run this as its owner")
	}
	return nil
}
