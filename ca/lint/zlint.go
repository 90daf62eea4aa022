package lint

import (
	"bytes"
	"crypto"
	"crypto/rand"
	stdx509 "crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3/lint"
	_ "github.com/zmap/zlint/v3/lints/rfc" // registers its lints
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// excluded are the lints of RFCs that are not asked.
func excluded() []string {
	return []string{
		// A clock that was set back dates a CRL before revocations that it has
		// recorded: that one must get out, and is dated anew once the clock is right.
		"e_crl_revocation_time_after_this_update",
	}
}

// sources are the lints that are asked: those of RFCs. The packages of the others are
// not even linked. Those of the CA/Browser Forum, of browsers and of ETSI are for other
// certificates. zlint's community's guess what a name means ("&amp;", a wrong
// encoding): a customer's name would decide whether a shape passes.
func sources() lint.SourceList {
	return lint.SourceList{lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC6960, lint.RFC6962, lint.RFC8813}
}

// linter has zlint's lints, and the throw-away key that their copies are signed with.
type linter struct {
	certificates []*lint.CertificateLint
	lists        []*lint.RevocationListLint
	config       lint.Configuration
	key          crypto.Signer
	scheme       scheme
}

func newLinter(how scheme) func() (*linter, error) {
	return sync.OnceValues(func() (*linter, error) {
		all, err := lint.GlobalRegistry().Filter(lint.FilterOptions{IncludeSources: sources(), ExcludeNames: excluded()})
		if err != nil {
			return nil, fmt.Errorf("choosing zlint's lints: %w", err)
		}
		key, err := how.throwAway()
		return &linter{all.CertificateLints().Lints(), all.RevocationListLints().Lints(), all.GetConfiguration(), key, how}, err
	})
}

// zlintCertificate asks zlint about the to-be-signed certificate of a kind for key. Only of
// client certificates are there so many that their shapes are remembered.
func (s *Signer) zlintCertificate(kind Kind, tbs, key []byte) *Refusal {
	var room [1024]byte
	form := shape(room[:0], tbs)
	if kind == Client && s.known(form) {
		return nil
	}
	l, err := s.linter()
	if err != nil {
		return &Refusal{Lint: "zlint", Reason: err.Error()}
	}
	if kind == Root {
		if tbs, err = l.signItself(tbs, key); err != nil {
			return &Refusal{Lint: "zlint", Reason: err.Error()}
		}
	}
	if r := l.certificate(tbs); r != nil {
		return r
	}
	s.learn(form)
	return nil
}

// zlintList asks zlint about a copy of l with one entry of each shape.
func (s *Signer) zlintList(l List, sample [][]byte) *Refusal {
	form := append(shape(shape(nil, l.Head), l.Tail), 0xfe)
	var entries [][]byte
	var forms []string
	for _, e := range sample {
		if f := string(shape(nil, e)); !slices.Contains(forms, f) {
			forms, entries = append(forms, f), append(entries, e)
		}
	}
	slices.Sort(forms)
	if form = append(form, strings.Join(forms, "\xfe")...); s.known(form) {
		return nil
	}
	linter, err := s.linter()
	if err != nil {
		return &Refusal{Lint: "zlint", Reason: err.Error()}
	}
	if r := linter.list(l, entries); r != nil {
		return r
	}
	s.learn(form)
	return nil
}

// signItself returns a root's tbs with the throw-away key in place of its own: zlint
// calls a root only what its own key has signed.
func (l *linter) signItself(tbs, key []byte) ([]byte, error) {
	own, err := stdx509.MarshalPKIXPublicKey(l.key.Public())
	if err == nil && len(own) != len(key) {
		err = errors.New("a root with a key of this size cannot be linted")
	}
	return bytes.Replace(tbs, key, own, 1), err
}

func (l *linter) certificate(tbs []byte) *Refusal {
	der, err := l.throw(tbs)
	if err != nil {
		return &Refusal{Lint: "zlint", Reason: err.Error()}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return &Refusal{Lint: "zlint_parse", Reason: err.Error()}
	}
	for _, each := range l.certificates {
		if r := refusalOf(each.Name, each.Execute(c, l.config)); r != nil {
			return r
		}
	}
	return nil
}

func (l *linter) list(parts List, entries [][]byte) *Refusal {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(parts.Head)
		if len(entries) > 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(entries...)) })
		}
		b.AddBytes(parts.Tail)
	})
	der, err := l.throw(b.BytesOrPanic())
	if err != nil {
		return &Refusal{Lint: "zlint", Reason: err.Error()}
	}
	c, err := x509.ParseRevocationList(der)
	if err != nil {
		return &Refusal{Lint: "zlint_parse", Reason: err.Error()}
	}
	for _, each := range l.lists {
		if r := refusalOf(each.Name, each.Execute(c, l.config)); r != nil {
			return r
		}
	}
	return nil
}

// throw signs what is to be signed with the throw-away key.
func (l *linter) throw(message []byte) ([]byte, error) {
	signature, err := crypto.SignMessage(l.key, rand.Reader, message, l.scheme.hash)
	if err != nil {
		return nil, fmt.Errorf("signing with the throw-away key: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(message)
		b.AddBytes([]byte(l.scheme.algorithm))
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// refusalOf returns a refusal if a lint found anything at all, a mere notice included.
func refusalOf(name string, result *lint.LintResult) *Refusal {
	if result.Status < lint.Notice {
		return nil
	}
	reason := result.Details
	if reason == "" {
		reason = result.Status.String()
	}
	return &Refusal{Lint: name, Reason: reason}
}
