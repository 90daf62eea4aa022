package bolt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/postern-ca/postern/issuance"
)

// linkTag tells the links of audit records from other digests.
const linkTag = "postern audit record 1\n"

// link is the link of the record seq, whose stored bytes are raw, behind a record
// with the link before.
func link(before issuance.Digest, seq uint64, raw []byte) issuance.Digest {
	b := make([]byte, 0, 1024)
	b = append(append(b, linkTag...), before...)
	b = append(binary.BigEndian.AppendUint64(b, seq), raw...)
	sum := sha256.Sum256(b)
	return issuance.Digest(hex.EncodeToString(sum[:]))
}

// prevHead is how a record with a link begins.
var prevHead = []byte(`{"prev":"`)

// carried returns the link of the record before, as raw has it; "" if it has none.
func carried(raw []byte) issuance.Digest {
	rest, ok := bytes.CutPrefix(raw, prevHead)
	if !ok || len(rest) <= len(issuance.NoLink) || rest[len(issuance.NoLink)] != '"' {
		return ""
	}
	return issuance.Digest(rest[:len(issuance.NoLink)])
}

// chain notes r, just put behind a record with the link before, as the head. The
// note is in the bucket of meta data, whose few bytes lie in the file's root page:
// every commit writes that anyway.
func (t *tx) chain(before issuance.Digest, r issuance.AuditRecord) error {
	raw, err := t.get(t.s.tables.audit.name, auditKey(r))
	if err != nil {
		return err
	}
	return t.put(metaBucket, []byte(chainKey), packHead(issuance.AuditHead{Seq: r.Seq, Link: link(before, r.Seq, raw)}))
}

func packHead(h issuance.AuditHead) []byte {
	return append(binary.BigEndian.AppendUint64(nil, h.Seq), h.Link...)
}

// auditHead returns the head as it was noted. Without a note, or with a broken one,
// it is one that no record fits to: appending goes on, and a check finds it.
func (t *tx) auditHead() issuance.AuditHead {
	raw, err := t.get(metaBucket, []byte(chainKey))
	if err != nil || len(raw) != 8+len(issuance.NoLink) {
		return issuance.AuditHead{Link: issuance.NoLink}
	}
	return issuance.AuditHead{Seq: number(raw[:8]), Link: issuance.Digest(raw[8:])}
}

// AuditHead implements [issuance.ChainReader].
func (t *tx) AuditHead() issuance.AuditHead { return t.auditHead() }

// AuditLink implements [issuance.ChainReader].
func (t *tx) AuditLink(seq uint64) (issuance.Digest, error) {
	raw, err := t.get(t.s.tables.audit.name, auditKey(issuance.AuditRecord{Seq: seq}))
	if err != nil {
		return "", ignoreNotFound(err)
	}
	before := carried(raw)
	if before == "" {
		return "", nil
	}
	return link(before, seq, raw), nil
}

// WalkAudit implements [issuance.ChainReader]. A record is decoded only if it tells
// of a gap.
func (t *tx) WalkAudit(w issuance.AuditWalk, limit int, visit func(issuance.AuditHead)) (issuance.AuditWalk, bool, error) {
	b, err := t.bucket(t.s.tables.audit.name)
	if err != nil {
		return w, true, err
	}
	c := b.Cursor()
	back := c.Prev
	if k, _ := c.Seek(auditKey(issuance.AuditRecord{Seq: w.At.Seq})); k == nil || w.At.Seq == 0 {
		back = c.Last
	}
	k, v := back()
	for ; k != nil; k, v = c.Prev() {
		if limit--; limit < 0 {
			return w, false, nil
		}
		if w.Fault = t.walkOver(&w, k, v); w.Fault != nil {
			return w, true, nil
		}
		visit(w.At)
	}
	w.Fault = t.ended(w.At, b.Sequence())
	return w, true, nil
}

// walkOver takes w over the record v with the key k, and returns what is wrong with it.
func (t *tx) walkOver(w *issuance.AuditWalk, k, v []byte) *issuance.AuditFault {
	next := w.At.Seq + 1
	if len(k) != 8 || v == nil || ^number(k) < next {
		return &issuance.AuditFault{
			Seq: next,
			Why: fmt.Sprintf("what stands behind the record before, under %x, was not written by the server", k),
		}
	}
	seq, prev := ^number(k), carried(v)
	began := prev != "" && w.Began == 0
	gap, tells := t.gap(v)
	tells = tells && gap.Follows(*w)
	switch {
	case prev == "" && w.Began != 0:
		return &issuance.AuditFault{Seq: seq, Why: "it carries no link, and those before do"}
	case began && prev != w.At.Link:
		return &issuance.AuditFault{
			Seq: 1,
			Why: fmt.Sprintf("records 1 to %d are not those over which the chain began, or record %d was changed", seq-1, seq),
		}
	case prev != "" && !began && seq != next && !tells:
		return &issuance.AuditFault{Seq: next, Why: fmt.Sprintf("records %d to %d are missing", next, seq-1)}
	case prev != "" && prev != w.At.Link:
		return &issuance.AuditFault{Seq: w.At.Seq, Why: fmt.Sprintf("it was changed, or record %d behind it", seq)}
	}
	w.Records++
	if began {
		w.Began = seq
	}
	if tells {
		w.Gaps = append(w.Gaps, gap)
		w.Lost += gap.To - gap.From + 1
	}
	w.At = issuance.AuditHead{Seq: seq, Link: link(w.At.Link, seq, v)}
	return nil
}

// gap returns the gap that a record tells of. Few do, so that few are decoded.
func (t *tx) gap(raw []byte) (issuance.AuditGap, bool) {
	if !bytes.Contains(raw, []byte(`"verb":"`+string(issuance.LoseVerb)+`"`)) {
		return issuance.AuditGap{}, false
	}
	r, err := t.s.tables.audit.decode(raw)
	if err != nil {
		return issuance.AuditGap{}, false
	}
	return r.Gap()
}

// ended returns what is wrong behind the last record: it must be the one that was
// appended last.
func (t *tx) ended(last issuance.AuditHead, given uint64) *issuance.AuditFault {
	head := t.auditHead()
	switch {
	case last.Seq < max(head.Seq, given):
		return &issuance.AuditFault{
			Seq: last.Seq + 1,
			Why: fmt.Sprintf("records %d to %d are missing at the end", last.Seq+1, max(head.Seq, given)),
		}
	case last.Seq > min(head.Seq, given):
		return &issuance.AuditFault{Seq: min(head.Seq, given) + 1, Why: "it stands behind the last one that the server has written"}
	case last != head:
		return &issuance.AuditFault{Seq: last.Seq, Why: "it is not the one that the server has written last"}
	}
	return nil
}
