package mark

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/postern-ca/postern/issuance"
)

// sumLength is how long the checksum before each line is, with the blank behind it.
const sumLength = 9

// line returns p as a line of the file.
func line(p issuance.Progress) ([]byte, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("writing the high-water mark: %w", err)
	}
	return append(fmt.Appendf(nil, "%08x %s", sum(body), body), '\n'), nil
}

func sum(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }

// body returns what a line says; false if it is not whole.
func body(text []byte) ([]byte, bool) {
	if len(text) < sumLength || text[sumLength-1] != ' ' {
		return nil, false
	}
	said := text[sumLength:]
	return said, string(text[:sumLength-1]) == fmt.Sprintf("%08x", sum(said))
}

// part is what one file has.
type part struct {
	all   []issuance.Progress // if it was asked for
	last  issuance.Progress   // without changes and traces
	lines int
	whole int64 // bytes before what is torn
}

// load reads a file; one that is not there has nothing.
func load(path string, all bool) (p part, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	} else if err != nil {
		return p, fmt.Errorf("reading the high-water mark: %w", err)
	}
	torn := false
	for rest := text; len(rest) > 0; {
		one, after, ended := bytes.Cut(rest, []byte("\n"))
		said, ok := body(one)
		switch {
		case !ok || !ended:
			torn = true
		case torn:
			return p, damaged(path)
		default:
			p.lines++
			p.whole += int64(len(one)) + 1
			if err := p.take(said, all || len(after) == 0); err != nil {
				return p, damaged(path)
			}
		}
		rest = after
	}
	if torn && p.lines > 0 { // the last whole line was not decoded
		return p, p.again(text)
	}
	return p, nil
}

// take decodes a line if it is wanted.
func (p *part) take(said []byte, wanted bool) error {
	if !wanted {
		return nil
	}
	var one issuance.Progress
	if err := json.Unmarshal(said, &one); err != nil {
		return err
	}
	p.all = append(p.all, one)
	p.last = one
	p.last.Changes, p.last.Traces = nil, nil
	return nil
}

// again decodes the last line before what is torn.
func (p *part) again(text []byte) error {
	whole := bytes.TrimSuffix(text[:p.whole], []byte("\n"))
	said, _ := body(whole[bytes.LastIndexByte(whole, '\n')+1:])
	var kept []issuance.Progress
	kept, p.all = p.all, nil
	err := p.take(said, true)
	p.all = kept
	return err
}

// Read reads the whole mark at path; nil if there is none.
func Read(path string) (*issuance.Journal, error) {
	var all []issuance.Progress
	for _, name := range []string{path + olderSuffix, path} {
		p, err := load(name, true)
		if err != nil {
			return nil, err
		}
		all = append(all, p.all...)
	}
	if len(all) == 0 {
		return nil, nil //nolint:nilnil // there is no mark, and nothing is wrong
	}
	j := &issuance.Journal{Since: all[0].Since, Blind: true}
	for _, p := range all {
		j.Changes, j.Traces = append(j.Changes, p.Changes...), append(j.Traces, p.Traces...)
		j.Blind = j.Blind && p.Restored != nil
	}
	j.Last = all[len(all)-1]
	j.Last.Changes, j.Last.Traces = nil, nil
	return j, nil
}

func damaged(path string) error {
	return &issuance.Error{
		Kind: issuance.Unavailable, Code: issuance.CodeState, Message: "the high-water mark " + filepath.Base(path) + " is damaged",
		Hint: "look at the disk; if the database is the newest there is, move the file away: the server begins another",
	}
}
