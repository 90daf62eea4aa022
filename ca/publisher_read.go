package ca

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// CRL returns the list with that name: the id of an issuer or [RootID], or a shard
// or delta of an issuer. Its error is an [*issuance.Error] of kind NotFound if
// there is no such list, or Unavailable if the list has expired because no newer
// one could be made.
func (p *Publisher) CRL(name string) (*CRL, error) {
	c, ok := p.published.Load().crls[name]
	if !ok {
		return nil, &issuance.Error{
			Kind: issuance.NotFound, Code: issuance.CodeNotFound, Message: "there is no CRL with this name",
			Hint: "use the address in the certificates' CRL distribution point",
		}
	}
	return c, p.checkExpiry(c)
}

// checkExpiry returns an error if c has expired.
func (p *Publisher) checkExpiry(c *CRL) error {
	if !c.Expired(p.Now()) {
		return nil
	}
	return &issuance.Error{
		Kind: issuance.Unavailable, Code: CodeCRLExpired, Retry: time.Minute,
		Message: "the CRL of " + c.Name + " expired at " + c.NextUpdate.Format(time.RFC3339) + ", and there is no newer one",
		Hint:    "see the server's log; a root key that is kept offline must sign a new CRL in time",
	}
}

// Bundle returns the CRLs of all issuers and the root in one PEM file. Its error
// is an [*issuance.Error] of kind Unavailable if one of them has expired.
func (p *Publisher) Bundle() (*Bundle, error) { return p.checkBundle(p.published.Load()) }

func (p *Publisher) checkBundle(now *published) (*Bundle, error) {
	for _, c := range now.bundle.CRLs {
		if err := p.checkExpiry(c); err != nil {
			return nil, err
		}
	}
	return now.bundle, nil
}

// WaitBundle returns the bundle as soon as its entity tag is not etag. When ctx
// ends, it returns the current bundle, whatever its tag.
func (p *Publisher) WaitBundle(ctx context.Context, etag string) (*Bundle, error) {
	for {
		now := p.published.Load()
		b, err := p.checkBundle(now)
		if err != nil || b.ETag != etag {
			return b, err
		}
		select {
		case <-now.replaced:
		case <-ctx.Done():
			return b, nil
		}
	}
}

// Age returns how long the published CRLs may have been behind the store.
func (p *Publisher) Age() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.Now().Sub(p.currentAt), 0)
}

// Healthy returns nil if the CRLs are up to date, none has expired and none is dated
// in the future; otherwise it returns an error that says what is wrong.
func (p *Publisher) Healthy() error {
	now := p.published.Load()
	if now == nil {
		return errors.New("the revocations have not been loaded yet")
	}
	if _, err := p.checkBundle(now); err != nil {
		return err
	}
	for _, c := range now.bundle.CRLs {
		if early := c.ThisUpdate.Sub(p.Now()); early > unhealthyAge {
			return fmt.Errorf("the CRL of %s is dated %s, which is %v from now", c.Name, c.ThisUpdate.Format(time.RFC3339),
				early.Round(time.Second))
		}
	}
	if age := p.Age(); age > unhealthyAge {
		return fmt.Errorf("the CRLs have been behind the store for %v", age.Round(time.Second))
	}
	return nil
}

// replace gives readers the CRLs in crls, and wakes those who wait for the bundle.
func (p *Publisher) replace(crls map[string]*CRL) {
	var all []*CRL
	for _, issuer := range p.Issuers {
		all = append(all, crls[issuer.ID])
	}
	if root, ok := crls[RootID]; ok {
		all = append(all, root)
	}
	old := p.published.Swap(&published{crls: crls, bundle: newBundle(slices.Clip(all)), replaced: make(chan struct{})})
	if old != nil {
		close(old.replaced)
	}
}
