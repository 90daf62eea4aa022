package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/checkpoint"
)

type auditCheck struct {
	Records uint64               `json:"records"`
	Last    issuance.AuditHead   `json:"last"`
	Began   uint64               `json:"began"`
	Lost    uint64               `json:"lost"`
	Key     string               `json:"key"`
	Fault   *issuance.AuditFault `json:"fault,omitempty"`
	Links   []issuance.AuditHead `json:"links"`
	Gaps    []issuance.AuditGap  `json:"gaps"`
	Signed  int                  `json:"checkpoints"`      // that agree
	Gone    int                  `json:"checkpoints_lost"` // of records that a restored backup has not
	Differ  *issuance.AuditFault `json:"checkpoint_fault,omitempty"`
}

// mostChecked is how many checkpoints of a file are compared, the newest ones.
const mostChecked = 10_000

func verifyAudit(n *connection) *cobra.Command {
	var file, key string
	c := &cobra.Command{
		Use: "verify", Short: "Check that no audit record was changed, removed or inserted", Args: args(),
		Long: `Has the running server check all audit records: each carries the digest of the one
before it, the last one must be the one that was written last, and the records must
be those of the high-water mark.

With --checkpoint, compares them with checkpoints that were kept elsewhere: the file
that audit.checkpoint_file names, or what audit.checkpoint_webhook was sent. Who can
write the database can also compute all digests anew; a checkpoint tells. Its
signature is verified with --key: the key that this command showed when the log was
known to be good. Without --key the server's present key is used, which whoever
holds the server may have changed.

Exit status 1: something is wrong; the first bad record is named.`,
		Example: `  postern audit verify
  postern audit verify --checkpoint /srv/audit/postern.checkpoints --key example.com/audit+5ba23f3c+AX0n...`,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := n.client()
			if err != nil {
				return err
			}
			var r auditCheck
			if file == "" {
				if err := api.post(c.Context(), verifyPath, map[string]any{}, &r); err != nil {
					return err
				}
			} else if r, err = compareAudit(c, api, file, key); err != nil {
				return err
			}
			r.Links = nil
			if n.json {
				if err := printJSON(c.OutOrStdout(), r); err != nil {
					return err
				}
				return r.wrong()
			}
			if err := r.sheet(key).print(c.OutOrStdout()); err != nil {
				return err
			}
			return r.wrong()
		},
	}
	c.Flags().StringVar(&file, "checkpoint", "", "file with checkpoints to compare the records with, - for standard input")
	c.Flags().StringVar(&key, "key", "", "the key that verifies their signatures, as kept from an earlier check")
	return c
}

const verifyPath = "api/v1/audit/verify"

// compareAudit asks the server to check the records, and compares them with the
// checkpoints in a file.
func compareAudit(c *cobra.Command, api *client, file, key string) (r auditCheck, err error) {
	text, err := readAll(c, file)
	if err != nil {
		return r, err
	}
	if key == "" {
		if err := api.post(c.Context(), verifyPath, map[string]any{}, &r); err != nil {
			return r, err
		}
		key = r.Key
	}
	all, err := checkpoint.Read(text, key)
	if err != nil {
		return r, err
	}
	all = all[max(0, len(all)-mostChecked):]
	var at []uint64
	for _, one := range all {
		at = append(at, one.Head.Seq)
	}
	r = auditCheck{}
	if err := api.post(c.Context(), verifyPath, map[string]any{"at": at}, &r); err != nil {
		return r, err
	}
	r.compare(all)
	return r, nil
}

func readAll(c *cobra.Command, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(c.InOrStdin())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoints: %w", err)
	}
	return text, nil
}

// compare looks for the first checkpoint that the records do not agree with.
func (r *auditCheck) compare(all []checkpoint.Checkpoint) {
	links := make(map[uint64]issuance.Digest)
	for _, l := range r.Links {
		links[l.Seq] = l.Link
	}
	good := uint64(0)
	for _, one := range all {
		link, there := links[one.Head.Seq]
		if gap, lost := r.lost(one.Head.Seq); lost && link != one.Head.Link {
			link, there = gap.Link, true
			if link == "" || gap.To != one.Head.Seq { // nothing tells what it was
				r.Gone++
				continue
			}
		}
		switch {
		case there && link == one.Head.Link:
			r.Signed++
			good = max(good, one.Head.Seq)
			continue
		case r.Differ != nil && r.Differ.Seq <= good+1:
			continue
		case !there:
			r.Differ = &issuance.AuditFault{Seq: r.Last.Seq + 1, Why: "the checkpoint of " + one.At.Format(time.RFC3339) +
				" covers records up to " + strconv.FormatUint(one.Head.Seq, 10) + ", and they are not there, or are behind a bad one"}
		default:
			r.Differ = &issuance.AuditFault{Seq: good + 1, Why: "this record or one up to " + strconv.FormatUint(one.Head.Seq, 10) +
				" was changed since the checkpoint of " + one.At.Format(time.RFC3339)}
		}
	}
}

// lost returns the gap that record seq was lost in. Its number may have been given
// again since: then the record that is there is another.
func (r *auditCheck) lost(seq uint64) (g issuance.AuditGap, ok bool) {
	if at := slices.IndexFunc(r.Gaps, func(g issuance.AuditGap) bool { return g.From <= seq && seq <= g.To }); at >= 0 {
		return r.Gaps[at], true
	}
	return g, false
}

// wrong returns the error for the first bad record.
func (r auditCheck) wrong() error {
	fault := r.Fault
	if d := r.Differ; d != nil && (fault == nil || d.Seq < fault.Seq) {
		fault = d
	}
	if fault == nil {
		return nil
	}
	return &issuance.Error{
		Kind: issuance.Conflict, Code: issuance.CodeState, Message: fault.Error(),
		Hint: "keep a copy of the database and of the high-water mark before anything else; " +
			"see docs/operating.md, How an auditor checks",
	}
}

// sheet is the result of a check as people see it.
func (r auditCheck) sheet(key string) *sheet {
	s := new(sheet)
	s.add("records", strconv.FormatUint(r.Records, 10))
	s.add("last", "#"+strconv.FormatUint(r.Last.Seq, 10)+" "+string(r.Last.Link))
	if r.Began > 1 {
		s.add("chain", "since record "+strconv.FormatUint(r.Began, 10)+", which covers those before it")
	}
	if r.Lost > 0 {
		s.add("lost", strconv.FormatUint(r.Lost, 10)+" records, when a backup was restored; the records of the verb lose tell")
	}
	if r.Signed > 0 {
		s.add("checkpoints", strconv.Itoa(r.Signed)+" agree")
	}
	if r.Gone > 0 {
		s.add("", strconv.Itoa(r.Gone)+" of records that were lost when a backup was restored: nothing here can be compared with them")
	}
	s.add("key", r.Key)
	if r.Signed > 0 && key == "" {
		s.add("note", "the signatures were verified with the server's own key: keep it, and give it as --key next time")
	}
	if key != "" && key != r.Key {
		s.add("note", "the server signs with another key than --key")
	}
	if r.wrong() == nil {
		s.add("outcome", "the records are as they were written")
	}
	return s
}
