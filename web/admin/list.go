package admin

import (
	"context"
	"errors"

	"github.com/postern-ca/postern/issuance"
)

// page is one part of a list.
type page[V any] struct {
	Items []V    `json:"items"`
	Next  string `json:"next"` // the cursor of the next part; empty: there is none
}

// room runs a function in a read-only transaction of a room.
type room[T any] func(context.Context, func(T) error) error

// listOf answers with a list: find reads one part of it, view shows a record.
func listOf[T, R, V any](in room[T], c *call, find func(T) ([]R, string, error), view func(R) V) (any, error) {
	var p page[V]
	err := in(c.r.Context(), func(tx T) error {
		records, next, err := find(tx)
		p = page[V]{Items: make([]V, 0, len(records)), Next: next}
		for _, r := range records {
			p.Items = append(p.Items, view(r))
		}
		return err
	})
	return p, err
}

// shown answers with one record.
func shown[T, R, V any](in room[T], c *call, noun issuance.Noun, find func(T) (R, error), view func(R) V) (any, error) {
	if err := c.noQuery(); err != nil {
		return nil, err
	}
	var v V
	err := in(c.r.Context(), func(tx T) error {
		r, err := find(tx)
		v = view(r)
		return err
	})
	if errors.Is(err, issuance.ErrNotFound) {
		return nil, issuance.NoSuch(noun, c.part("id"))
	}
	return v, err
}

// unknown is the error for a parameter that names something that does not exist: an
// empty list would say that there are no records for it.
func unknown(parameter string, noun issuance.Noun, id string) error {
	e := issuance.NoSuch(noun, id)
	e.Kind, e.Code, e.Field = issuance.Invalid, issuance.CodeInvalid, parameter
	return e
}

// viewed is the answer of a verb: the record as it is now.
func viewed[R, V any](r R, err error, view func(R) V) (any, error) {
	if err != nil {
		return nil, err
	}
	return view(r), nil
}
