package backup

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/postern-ca/postern/issuance"
)

// Format is the version of what stands inside of a backup.
const Format = 1

// Suffix is how the names of backups end.
const Suffix = ".age"

// The members of a backup beside the files.
const (
	aboutMember    = "about.json"
	manifestMember = "manifest.json"
)

// About says what a backup holds.
type About struct {
	Format      int    `json:"format"`
	Version     string `json:"version"` // of the program that made it
	TrustDomain string `json:"trust_domain"`
	Root        string `json:"root"` // SHA-256 of the root's certificate
	// HighWater is how far the database had come; its At is when the backup was made.
	HighWater    issuance.HighWater `json:"high_water"`
	Certificates issuance.Totals    `json:"certificates"`
	Keys         bool               `json:"keys"` // it has the seal key and the passphrase of the CA's keys
	// Files are those that the configuration names, by member, with the names that it has for them.
	Files map[string]string `json:"files,omitempty"`
}

// At is when the backup was made.
func (a About) At() time.Time { return a.HighWater.At }

// Member is one file of a backup.
type Member struct {
	Name  string // of one or two parts, as in ca/root.pem
	Size  int64
	Write func(io.Writer) error // exactly Size bytes
}

// Bytes returns a member with data.
func Bytes(name string, data []byte) Member {
	return Member{name, int64(len(data)), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}}
}

type manifest struct {
	Members []digested `json:"members"`
}

type digested struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// nameable reports whether a member may have name.
func nameable(name string) bool {
	return regexp.MustCompile(`^([a-z][a-z0-9-]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*$`).MatchString(name) && len(name) < 100
}

// ParseRecipients reads age recipients (age1...), one in each string. Its error is
// of kind Invalid, about field.
func ParseRecipients(field string, all []string) ([]age.Recipient, error) {
	var out []age.Recipient
	for _, s := range all {
		found, err := age.ParseRecipients(strings.NewReader(s + "\n"))
		if err != nil || len(found) != 1 {
			return nil, issuance.Invalidf(field, issuance.Quoted(s)+" is not an age recipient",
				"use one that `age-keygen` printed as its public key: age1...")
		}
		out = append(out, found...)
	}
	if len(out) == 0 {
		return nil, issuance.Invalidf(field, "is empty", "name at least one age recipient: age1...")
	}
	return out, nil
}

// damagedError says that a backup is not as it was written.
func damagedError(why string) error {
	return &issuance.Error{
		Kind: issuance.Invalid, Code: issuance.CodeInvalid, Message: "this backup is truncated or was altered: " + why,
		Hint: "use another copy of it, or another backup; nothing was put in place",
	}
}

// errShort says that a file was not as long as it said.
var errShort = errors.New("a file changed while it was backed up")
