// Package staff decides which staff have access: so far, by their tokens. The table
// of permits in package issuance says what each role may do.
package staff

import (
	"context"
	"errors"

	"github.com/postern-ca/postern/issuance"
)

// Reader looks up tokens.
type Reader interface {
	Token(TokenID) (Token, error)
	TokenByDigest(issuance.Digest) (Token, error)
	Tokens(issuance.Page) ([]Token, string, error)
}

// Tx keeps tokens.
type Tx interface {
	Reader
	PutToken(Token) error
	issuance.Ledger
}

// Office has the verbs of tokens, and identifies their holders.
type Office struct {
	Desk  *issuance.Desk
	Store issuance.Store[Reader, Tx]
	// FourEyes has tokens for other persons confirmed by somebody else.
	FourEyes bool

	refused refusals
}

// Check returns an error that names what is missing in o.
func (o *Office) Check() error {
	if o.Store == nil {
		return errors.New("staff: the office has no store")
	}
	return o.Desk.Check()
}

// Read runs f in a read-only transaction, for listings.
func (o *Office) Read(ctx context.Context, f func(Reader) error) error { return o.Store.View(ctx, f) }
