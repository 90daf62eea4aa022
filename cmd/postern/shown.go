package main

import (
	"crypto/tls"
	"time"
)

// listenerCertificates are those that listeners show.
type listenerCertificates struct {
	files []*certificateFiles
	get   []func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// reread reads those that are files again.
func (s *listenerCertificates) reread() {
	for _, f := range s.files {
		f.forget()
		_, _ = f.get(nil) // what is wrong with them is logged
	}
}

// ends returns when each of them expires.
func (s *listenerCertificates) ends() (out []time.Time) {
	for _, get := range s.get {
		if c, err := get(nil); err == nil && c.Leaf != nil {
			out = append(out, c.Leaf.NotAfter)
		}
	}
	return out
}
