package lint

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// Signer is a CA's key that signs only what passes. It implements
// [crypto.MessageSigner], which the standard library prefers: it is given the
// to-be-signed bytes, not their hash. Any number of goroutines may use it.
type Signer struct {
	key     crypto.Signer
	rules   Rules
	encoded encoded
	scheme  scheme

	linter func() (*linter, error) // made at its first use

	mu     sync.Mutex
	passed map[string]struct{} // shapes that zlint has found nothing in
}

// maxShapes is the most shapes that are remembered. There are a few dozen.
const maxShapes = 1024

// New returns key behind rules. It returns an error if the key is of a kind that no
// CA of ours has.
func New(key crypto.Signer, rules Rules) (*Signer, error) {
	s := &Signer{key: key, rules: rules, passed: make(map[string]struct{})}
	var err error
	if s.scheme, err = schemeOf(key.Public()); err != nil {
		return nil, err
	}
	s.linter = newLinter(s.scheme)
	if s.encoded, err = rules.encode(); err != nil {
		return nil, fmt.Errorf("encoding the rules of what is signed: %w", err)
	}
	return s, nil
}

// Public implements [crypto.Signer].
func (s *Signer) Public() crypto.PublicKey { return s.key.Public() }

// errDigest is what comes of a bare hash: what it is of cannot be seen.
var errDigest = errors.New("a CA's key signs no hash of something that nobody has looked at")

// Sign implements [crypto.Signer] for keys that sign messages (Ed25519). It refuses hashes.
func (s *Signer) Sign(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts == nil || opts.HashFunc() != 0 {
		return nil, errDigest
	}
	return s.SignMessage(rand, message, opts)
}

// SignMessage signs a TBSCertificate or a TBSCertList (RFC 5280, sections 4.1 and 5.1)
// that passes. Otherwise it returns a [*Refusal], and nothing is signed.
func (s *Signer) SignMessage(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := s.Check(message); err != nil {
		return nil, err
	}
	return crypto.SignMessage(s.key, rand, message, opts)
}

// SignList signs the digest of l, or l itself if opts has no hash, if l passes. The
// caller must have computed the digest of exactly l: a long list is not hashed twice.
func (s *Signer) SignList(rand io.Reader, l List, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if refusal := s.checkList(l); refusal != nil {
		return nil, s.refuse(CRL, refusal)
	}
	return s.key.Sign(rand, digest, opts)
}

// Check returns a [*Refusal] if message is not to be signed.
func (s *Signer) Check(message []byte) error {
	kind, refusal := s.check(message)
	if refusal != nil {
		return s.refuse(kind, refusal)
	}
	return nil
}

func (s *Signer) check(message []byte) (Kind, *Refusal) {
	if l, ok := splitList(message); ok {
		return CRL, s.checkList(l)
	}
	c, refusal := readCertificate(message)
	if refusal != nil {
		return Unknown, refusal
	}
	kind, refusal := s.checkCertificate(c)
	if refusal == nil {
		refusal = s.zlintCertificate(kind, message, c.key)
	}
	return kind, refusal
}

func (s *Signer) refuse(kind Kind, r *Refusal) error {
	r.Kind = kind
	if s.rules.Refused != nil {
		s.rules.Refused(r)
	}
	return r
}

func (s *Signer) may(kind Kind) *Refusal {
	if slices.Contains(s.rules.Kinds, kind) {
		return nil
	}
	return broken("kind", "this key does not sign it")
}
