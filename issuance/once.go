package issuance

import "errors"

// Once makes a creating request safe to repeat: the same key makes one thing.
// The zero value makes a new thing each time.
type Once struct {
	Key     string // the caller's idempotency key
	Request Digest // of the whole request
}

// once returns the id of what by already made under o, "" if nothing.
func (w *work) once(by Actor, o Once) (made string, err error) {
	if o.Key == "" {
		return "", nil
	}
	r, err := w.Receipt(by.ID + "/" + o.Key)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err == nil && r.Request != o.Request {
		return "", &Error{Kind: Conflict, Code: CodeReused, Message: "this Idempotency-Key was used for another request", Hint: "take a new key for a new request"}
	}
	return r.Made, err
}

// receipt records that by made something under o.
func (w *work) receipt(by Actor, o Once, made string) error {
	if o.Key == "" {
		return nil
	}
	return w.PutReceipt(Receipt{Key: by.ID + "/" + o.Key, Request: o.Request, Made: made, At: w.now})
}
