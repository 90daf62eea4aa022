package ca

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// CRL is a certificate revocation list, version 2 (RFC 5280, section 5), as it
// is published. It never changes, and any number of goroutines may read it.
type CRL struct {
	Issuer     string // id of the CA
	Name       string // in its address: the issuer's id, with a suffix for a shard or a delta
	Number     uint64 // CRLNumber, rising; 0 for a list of the root that has none
	ThisUpdate time.Time
	NextUpdate time.Time
	ETag       string // a strong entity tag, with its quotes
	Size       int64  // bytes of DER
	Entries    int

	head, tail []byte
	chunks     [][]byte
	version    uint64 // of the entries from which it was made
}

// etag returns the entity tag of what is signed with value.
func etag(value []byte) string {
	sum := sha256.Sum256(value)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// readCRL takes over a CRL that was signed elsewhere.
func readCRL(issuer string, der []byte) (*CRL, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("reading the CRL of %s: %w", issuer, err)
	}
	c := &CRL{
		Issuer: issuer, Name: issuer, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate,
		ETag: etag(list.Signature), Size: int64(len(der)), Entries: len(list.RevokedCertificateEntries), head: der,
	}
	if list.Number != nil && list.Number.IsUint64() {
		c.Number = list.Number.Uint64()
	}
	return c, nil
}

// Expired reports whether c has expired at now.
func (c *CRL) Expired(now time.Time) bool { return now.After(c.NextUpdate) }

// WriteTo writes c in DER, without ever holding it in one piece.
func (c *CRL) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	buffered := bufio.NewWriterSize(counted, 64<<10)
	err := c.parts(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	return counted.n, err
}

// parts writes the parts of c one after the other.
func (c *CRL) parts(w io.Writer) error {
	if _, err := w.Write(c.head); err != nil {
		return err
	}
	for _, chunk := range c.chunks {
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	_, err := w.Write(c.tail)
	return err
}

// countingWriter counts what was written.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// Bundle contains the CRLs of every level of the chain in PEM, the issuing CAs'
// first and the root's last, as nginx and HAProxy need them in one file. It never
// changes.
type Bundle struct {
	ETag string // a strong entity tag, with its quotes
	Size int64  // bytes of PEM
	CRLs []*CRL
}

const (
	pemBegin = "-----BEGIN X509 CRL-----\n"
	pemEnd   = "-----END X509 CRL-----\n"
	pemLine  = 48 // bytes in a line of 64 symbols
)

// newBundle puts crls together.
func newBundle(crls []*CRL) *Bundle {
	b := &Bundle{CRLs: crls}
	var tags []byte
	for _, c := range crls {
		tags = append(tags, c.ETag...)
		lines := (c.Size + pemLine - 1) / pemLine
		b.Size += int64(len(pemBegin)+len(pemEnd)) + (c.Size+2)/3*4 + lines
	}
	b.ETag = etag(tags)
	return b
}

// WriteTo writes b in PEM (RFC 7468), without ever holding it in one piece.
func (b *Bundle) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	for _, c := range b.CRLs {
		if _, err := io.WriteString(counted, pemBegin); err != nil {
			return counted.n, err
		}
		body := &pemBody{w: counted, in: make([]byte, 0, 512*pemLine)}
		if err := c.parts(body); err != nil {
			return counted.n, err
		}
		if err := body.flush(); err != nil {
			return counted.n, err
		}
		if _, err := io.WriteString(counted, pemEnd); err != nil {
			return counted.n, err
		}
	}
	return counted.n, nil
}

// pemBody writes base64 in lines of 64 symbols, many lines at a time.
type pemBody struct {
	w       io.Writer
	in, out []byte
}

func (p *pemBody) Write(b []byte) (int, error) {
	written := len(b)
	for len(b) > 0 {
		n := min(len(b), cap(p.in)-len(p.in))
		p.in, b = append(p.in, b[:n]...), b[n:]
		if len(p.in) == cap(p.in) {
			if err := p.flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

// flush writes all that is held; before the last flush that is whole lines.
func (p *pemBody) flush() error {
	p.out = p.out[:0]
	for rest := p.in; len(rest) > 0; {
		line := rest[:min(len(rest), pemLine)]
		p.out = append(base64.StdEncoding.AppendEncode(p.out, line), '\n')
		rest = rest[len(line):]
	}
	p.in = p.in[:0]
	_, err := p.w.Write(p.out)
	return err
}
