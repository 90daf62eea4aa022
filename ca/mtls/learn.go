package mtls

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
)

const (
	chainEvery = time.Minute      // how often the chain is asked for while there are CRLs of strangers
	chainLimit = 10 * time.Second // of one question
)

// widest returns c with the CAs that were learned.
func (c *CAs) widest() *CAs {
	if wider := c.wider.Load(); wider != nil {
		return wider
	}
	return c
}

// with returns c and the issuing CAs among certs that are new; c itself if there
// are none. Whatever else is among them is passed over.
func (c *CAs) with(certs []*x509.Certificate) (*CAs, error) {
	all := slices.Clone(c.all)
	for _, cert := range certs {
		known := slices.ContainsFunc(all, func(ca *x509.Certificate) bool { return crlfile.ID(ca) == crlfile.ID(cert) })
		if !known && slices.ContainsFunc(c.issuing, func(i issuer) bool { return i.siblingOf(cert) }) {
			all = append(all, cert)
		}
	}
	if len(all) == len(c.all) {
		return c, nil
	}
	wider, err := NewCAs(all...)
	if err == nil && len(wider.issuing)-len(c.issuing) != len(all)-len(c.all) {
		err = errors.New("the new CAs would remove existing ones")
	}
	return wider, err
}

// siblingOf reports whether cert says that it is from the CA above i, for i's trust
// domain. Without the domain, all that an outside root has issued would do.
func (i issuer) siblingOf(cert *x509.Certificate) bool {
	domains := trustDomains(cert)
	return issued(i.above[0], cert) && len(domains) > 0 && slices.Equal(domains, trustDomains(i.cert))
}

func trustDomains(ca *x509.Certificate) (domains []string) {
	for _, u := range ca.URIs {
		if u.Scheme == "spiffe" {
			domains = append(domains, u.Host)
		}
	}
	return domains
}

// learn asks for the chain if the newest bundle has CRLs of CAs that are not known.
func (c *CRLs) learn(ctx context.Context, client *http.Client) {
	if c.strange == nil || time.Since(c.chainAsked) < chainEvery {
		return
	}
	c.chainAsked = time.Now()
	if err := c.learnFromChain(ctx, client); err != nil && ctx.Err() == nil {
		c.log().Warn("learning of new issuing CAs", "url", c.ChainURL, "error", err)
	}
}

// learnFromChain takes the new issuing CAs of the chain whose CRLs are in the
// bundle that is here. The lists come first: without them nobody's status is told.
func (c *CRLs) learnFromChain(ctx context.Context, client *http.Client) error {
	ctx, cancel := context.WithTimeout(ctx, chainLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.ChainURL, nil)
	if err != nil {
		return err
	}
	data, err := fetch(client, request)
	if err != nil {
		return err
	}
	certs, err := parseCertificates(data)
	if err != nil {
		return fmt.Errorf("reading the chain: %w", err)
	}
	known := c.CAs.widest()
	wider, err := known.with(certs)
	if err != nil || wider == known {
		return err
	}
	before := c.current.Load()
	lists, strangers, err := wider.readBundle(c.strange, before.lists, c.now())
	if err != nil {
		return err
	}
	c.current.Store(&followed{lists, before.heard})
	c.CAs.wider.Store(wider)
	if strangers == 0 {
		c.strange = nil
	}
	for _, i := range wider.issuing[len(known.issuing):] {
		c.log().Info("a new issuing CA is trusted", "ca", i.cert.Subject.String(), "until", i.cert.NotAfter)
	}
	return nil
}
