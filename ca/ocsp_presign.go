package ca

import (
	"context"
	"fmt"
	"time"

	"github.com/postern-ca/postern/issuance"
)

const (
	presignRounds = 4   // in the life of an answer: each has a successor before it is half over
	presignBatch  = 100 // answers, after which others get the processor
	presignRest   = 3   // times as long as a batch took: a quarter of one core at most
)

// presigner makes answers before anybody asks: about every certificate that has
// not expired, by the SHA-1 hashes that clients name issuers with unless they are told
// otherwise (RFC 5019, section 2.1.1).
type presigner struct {
	r     *Responder
	known map[ocspKey]time.Time // notAfter
	all   bool                  // what was issued before is known
	made  int                   // answers
	since time.Time             // when the present batch began
}

// Presign signs answers in advance, renews them in time, and makes those about a
// certificate anew as soon as its status changes, until ctx ends; then it returns
// nil. Failures are logged, and the answers are then signed on request. It makes
// the first request for an answer as fast as the second. Each certificate costs a
// signature every quarter of [Responder.Lifetime], and 1.3 kB of memory.
func (r *Responder) Presign(ctx context.Context) error {
	p := &presigner{r: r, known: make(map[ocspKey]time.Time)}
	trouble := trouble{what: "signing OCSP answers in advance", log: r.Log}
	every := r.Lifetime / presignRounds
	r.cache.tellForgotten()
	for ctx.Err() == nil {
		begin := time.Now()
		trouble.note(ctx, p.round(ctx), r.Now())
		took := time.Since(begin)
		if took > every {
			r.Log.Warn("signing OCSP answers in advance takes too long: some are signed on request",
				"certificates", len(p.known), "took", took.Round(time.Millisecond),
				"hint", "raise ca.ocsp_lifetime, or turn ca.ocsp_presign off")
		}
		p.wait(ctx, every-took)
	}
	return nil
}

// wait makes what has changed, until d is over.
func (p *presigner) wait(ctx context.Context, d time.Duration) {
	end := time.Now().Add(d)
	for ctx.Err() == nil {
		p.changed(ctx)
		left := time.Until(end)
		if left <= 0 {
			return
		}
		sleep(ctx, left, p.r.cache.forgot)
	}
}

// changed makes the answers that were forgotten because of a change.
func (p *presigner) changed(ctx context.Context) {
	p.since = time.Now()
	for _, key := range p.r.cache.takeForgotten() {
		if _, ok := p.known[key]; !ok || ctx.Err() != nil {
			continue
		}
		_ = p.sign(ctx, key) // the next round tells
	}
}

// round makes the answers that are due, and forgets what has expired.
func (p *presigner) round(ctx context.Context) error {
	if err := p.learn(ctx); err != nil {
		return fmt.Errorf("reading the certificates: %w", err)
	}
	p.r.cache.room(p.r.MaxKept + 2*len(p.known))
	now := p.r.Now()
	p.since = time.Now()
	for key, notAfter := range p.known {
		if now.After(notAfter) {
			delete(p.known, key)
			continue
		}
		if a := p.r.cache.get(key, now); a != nil && now.Sub(a.ThisUpdate) < p.r.Lifetime/presignRounds {
			continue
		}
		if err := p.sign(ctx, key); err != nil {
			return err
		}
		if p.made%presignBatch == 0 {
			p.changed(ctx)
			now = p.r.Now()
		}
	}
	return ctx.Err()
}

// sign makes an answer, and rests after a batch of them.
func (p *presigner) sign(ctx context.Context, key ocspKey) error {
	if _, err := p.r.make(ctx, key, p.r.Now()); err != nil {
		return err
	}
	p.r.presigned.Add(1)
	if p.made++; p.made%presignBatch == 0 {
		sleep(ctx, presignRest*time.Since(p.since), nil)
		p.since = time.Now()
	}
	return nil
}

// learn reads the certificates that were issued since it succeeded last: the
// newest come first, and it ends where they are known.
func (p *presigner) learn(ctx context.Context) error {
	query := issuance.CertificateQuery{Page: issuance.Page{Limit: issuance.MaxPage}}
	for {
		var page []issuance.Certificate
		err := p.r.Store.View(ctx, func(tx issuance.FeedReader) (err error) {
			page, query.After, err = tx.Certificates(query)
			return err
		})
		if err != nil {
			return err
		}
		more := false
		for _, c := range page {
			more = p.add(c) || more
		}
		if query.After == "" || p.all && !more {
			p.all = true
			return nil
		}
	}
}

// add reports whether c was not known.
func (p *presigner) add(c issuance.Certificate) bool {
	serial := c.Serial.Int()
	for i, issuer := range p.r.issuers {
		if issuer.ID != c.Issuer || serial.BitLen() > 8*maxSerialOctets {
			continue
		}
		key := ocspKey{issuer: i, hash: ocspSHA1}
		serial.FillBytes(key.serial[:])
		_, known := p.known[key]
		p.known[key] = c.NotAfter
		return !known
	}
	return false
}
