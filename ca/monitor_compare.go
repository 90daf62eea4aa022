package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/issuance"
)

// register is what the register says at one moment, read from its records.
type register struct {
	revoked map[string]issuance.Revocation // by issuer and serial number: held or revoked
	asked   []issuance.Certificate         // whom OCSP and the listener are asked about
}

func registerKey(issuer string, serial *big.Int) string { return issuer + " " + serial.Text(16) }

// compare returns what the views say otherwise than the register, in sentences.
func (m *Monitor) compare(ctx context.Context) (found []string, err error) {
	var r register
	if err := m.Store.View(ctx, func(tx issuance.FeedReader) error { r, err = readRegister(tx); return err }); err != nil {
		return nil, fmt.Errorf("reading the register: %w", err)
	}
	for _, l := range m.Publisher.complete() {
		found = append(found, m.compareCRL(r, l)...)
	}
	for _, c := range r.asked {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found = append(found, m.compareOCSP(ctx, c)...)
		found = append(found, m.compareListener(ctx, c)...)
	}
	return found, nil
}

// readRegister reads every certificate that is held or revoked, and as many of the
// active ones, the newest first, as others are asked about.
func readRegister(tx issuance.FeedReader) (register, error) {
	r := register{revoked: make(map[string]issuance.Revocation)}
	for _, status := range []issuance.Status{issuance.Held, issuance.Revoked} {
		n := 0
		err := eachCertificate(tx, status, func(c issuance.Certificate) {
			r.revoked[registerKey(c.Issuer, c.Serial.Int())] = c.Revocation()
			if n++; n <= monitorAsked {
				r.asked = append(r.asked, c)
			}
		})
		if err != nil {
			return r, err
		}
	}
	q := issuance.CertificateQuery{Status: issuance.Active, Page: issuance.Page{Limit: issuance.MaxPage}}
	for n := 0; n < monitorAsked; n += issuance.MaxPage {
		page, next, err := tx.Certificates(q)
		if err != nil {
			return r, err
		}
		r.asked = append(r.asked, page...)
		if q.After = next; next == "" {
			break
		}
	}
	return r, nil
}

// listed is one published CRL that is complete for those it covers.
type listed struct {
	issuer Issuer
	crl    *CRL
	covers func(serial []byte) bool
}

// complete returns the published CRLs of all issuers, but for deltas.
func (p *Publisher) complete() (out []listed) {
	published := p.published.Load()
	for _, issuer := range p.Issuers {
		add := func(name string, covers func([]byte) bool) {
			out = append(out, listed{issuer, published.crls[name], covers})
		}
		add(issuer.ID, func([]byte) bool { return true })
		for _, of := range p.Shards {
			for n := range of {
				add(shardName(issuer.ID, n, of), func(serial []byte) bool { return shardOf(serial, of) == n })
			}
		}
	}
	return out
}

// compareCRL reads a CRL with the standard library, and compares it with r.
func (m *Monitor) compareCRL(r register, l listed) (found []string) {
	say := func(format string, a ...any) { found = append(found, fmt.Sprintf(format, a...)) }
	if l.crl == nil {
		return []string{"there is no CRL of " + l.issuer.ID}
	}
	now := m.Now()
	var der bytes.Buffer
	_, err := l.crl.WriteTo(&der)
	list, failed := x509.ParseRevocationList(der.Bytes())
	if err = errors.Join(err, failed); err == nil {
		err = list.CheckSignatureFrom(l.issuer.Certificate)
	}
	switch {
	case err != nil:
		return []string{"the CRL " + l.crl.Name + " cannot be read: " + err.Error()}
	case list.ThisUpdate.After(now.Add(unhealthyAge)):
		say("the CRL %s is dated in the future", l.crl.Name)
	case now.After(list.NextUpdate):
		say("the CRL %s has expired", l.crl.Name)
	}
	in := make(map[string]bool, len(list.RevokedCertificateEntries))
	for _, e := range list.RevokedCertificateEntries {
		key := registerKey(l.issuer.ID, e.SerialNumber)
		if in[key] = true; r.revoked[key].Serial == "" {
			say("the CRL %s lists %s, which is not revoked", l.crl.Name, issuance.SerialOf(e.SerialNumber))
		}
	}
	for key, c := range r.revoked {
		if c.Issuer != l.issuer.ID || !l.covers(c.Serial.Int().Bytes()) {
			continue
		}
		if gone := c.NotAfter.Before(now.Add(-m.Publisher.Lifetime)); !in[key] && !gone {
			say("the CRL %s lacks %s, which is %s", l.crl.Name, c.Serial, c.Status)
		}
	}
	slices.Sort(found)
	return found
}

// compareOCSP asks the responder about c, as a client does.
func (m *Monitor) compareOCSP(ctx context.Context, c issuance.Certificate) []string {
	i := slices.IndexFunc(m.Publisher.Issuers, func(i Issuer) bool { return i.ID == c.Issuer })
	if i < 0 {
		return nil // its time is over
	}
	issuer := m.Publisher.Issuers[i].Certificate
	about := &x509.Certificate{SerialNumber: c.Serial.Int()}
	request, err := ocsp.CreateRequest(about, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
	if err != nil {
		return []string{"OCSP cannot be asked about " + string(c.Serial) + ": " + err.Error()}
	}
	now := m.Now()
	answer, err := ocsp.ParseResponseForCert(m.Responder.Respond(ctx, request).DER, about, issuer)
	switch want := map[issuance.Status]int{
		issuance.Active: ocsp.Good, issuance.Held: ocsp.Revoked, issuance.Revoked: ocsp.Revoked,
	}[c.Status]; {
	case err != nil:
		return []string{"OCSP has no answer about " + string(c.Serial) + ": " + err.Error()}
	case answer.Status != want:
		return []string{fmt.Sprintf("OCSP says that %s is %s; it is %s", c.Serial,
			map[int]string{ocsp.Good: "good", ocsp.Revoked: "revoked", ocsp.Unknown: "unknown"}[answer.Status], c.Status)}
	case answer.ThisUpdate.After(now.Add(unhealthyAge)) || answer.Certificate != nil && answer.Certificate.NotBefore.After(now):
		return []string{"OCSP dates an answer about " + string(c.Serial) + " in the future"}
	}
	return nil
}

// compareListener asks what the two-way TLS listener says of c.
func (m *Monitor) compareListener(ctx context.Context, c issuance.Certificate) []string {
	cert, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil // it is not kept here; the listener cannot have it either
	}
	err = m.Check(ctx, cert)
	code, now := issuance.CodeOf(err), m.Now()
	inTime := !now.Before(cert.NotBefore.Add(time.Minute)) && !now.After(cert.NotAfter.Add(-time.Minute))
	switch {
	case c.Status != issuance.Active && err == nil:
		return []string{"the two-way TLS listener accepts " + string(c.Serial) + ", which is " + string(c.Status)}
	case c.Status == issuance.Active && inTime && (code == CodeRevoked || code == CodeHeld || code == CodeUnknown):
		return []string{"the two-way TLS listener refuses " + string(c.Serial) + ", which is active"}
	}
	return nil
}
