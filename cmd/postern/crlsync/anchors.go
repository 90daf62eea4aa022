package crlsync

import (
	"context"
	"fmt"
	"os"

	"github.com/postern-ca/postern/ca/crlfile"
)

// verify verifies a bundle. If it has a CA that is not known yet, the chain is fetched
// again: Postern may have a new issuing CA.
func (s *Sync) verify(ctx context.Context, text []byte) (*crlfile.Bundle, crlfile.Check, error) {
	for again := false; ; again = true {
		anchors, pinned, err := s.anchors(ctx, again)
		if err != nil {
			return nil, crlfile.Check{}, err
		}
		check := crlfile.Check{CAs: anchors.CAs(), Now: s.Now()}
		bundle, err := check.Verify(text)
		if err == nil || pinned || again || crlfile.CodeOf(err) != crlfile.CodeIssuer {
			return bundle, check, err
		}
	}
}

// anchors reads the root and, if it stands alone (it is pinned otherwise), adds the
// issuing CAs that the server has, which the root must have signed. A CA that was
// there once stays needed until it expires, whoever leaves it out.
func (s *Sync) anchors(ctx context.Context, again bool) (a crlfile.Anchors, pinned bool, err error) {
	text, err := os.ReadFile(s.CA)
	if err != nil {
		return a, false, failf(reasonCA, "reading the root: %w", err)
	}
	if a, err = crlfile.ParseAnchors(text); err != nil || a.Issuers() > 0 {
		return a, true, err
	}
	if !a.SameRoot(s.known) {
		s.known = a
	}
	if s.known.Issuers() > 0 && !again {
		return s.known, false, nil
	}
	chain, err := s.get(ctx, s.ChainURL, "", 0)
	if err != nil {
		return a, false, fmt.Errorf("fetching the chain: %w", err)
	}
	wider, err := s.known.With(chain.text)
	if err == nil {
		s.known = wider
	}
	return wider, false, err
}
