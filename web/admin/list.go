package admin

import (
	"errors"
	"fmt"

	"github.com/postern-ca/postern/issuance"
)

// page is one part of a list.
type page[V any] struct {
	Items []V    `json:"items"`
	Next  string `json:"next"` // the cursor of the next part; empty: there is none
}

// listOf answers a list: find reads one part of it, view shows a record.
func listOf[R, V any](a *API, c *call, find func(issuance.Tx) ([]R, string, error), view func(R) V) (any, error) {
	var p page[V]
	err := a.opts.Registrar.Read(c.r.Context(), func(tx issuance.Tx) error {
		records, next, err := find(tx)
		p = page[V]{Items: make([]V, 0, len(records)), Next: next}
		for _, r := range records {
			p.Items = append(p.Items, view(r))
		}
		return err
	})
	return p, err
}

// shown answers one record.
func shown[R, V any](a *API, c *call, name string, find func(issuance.Tx) (R, error), view func(R) V) (any, error) {
	if err := c.noQuery(); err != nil {
		return nil, err
	}
	var v V
	err := a.opts.Registrar.Read(c.r.Context(), func(tx issuance.Tx) error {
		r, err := find(tx)
		v = view(r)
		return err
	})
	if errors.Is(err, issuance.ErrNotFound) {
		return nil, &issuance.Error{
			Kind: issuance.NotFound, Code: issuance.CodeNotFound, Message: fmt.Sprintf("there is no such %s", name),
			Hint: fmt.Sprintf("`postern %s list` prints those there are", name),
		}
	}
	return v, err
}

// viewed is the answer of a verb: the record as it is now.
func viewed[R, V any](r R, err error, view func(R) V) (any, error) {
	if err != nil {
		return nil, err
	}
	return view(r), nil
}
