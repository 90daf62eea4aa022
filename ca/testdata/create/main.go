// Command create makes the hierarchy that its standard input describes, and is
// killed at it. With the argument "again" it is what comes after: it opens what
// is there, makes it again, opens that, and prints what came of each as JSON.
//
// It is a program of its own because it is built without the race detector, under
// which each key takes seconds to encrypt.
package main

import (
	"encoding/json"
	"errors"
	"log"
	"os"
	"runtime"
	"time"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/issuance"
)

// hierarchy says which one, as TestCreateSurvivesSIGKILL does.
type hierarchy struct {
	Dir, TrustDomain, OrganizationName, Passphrase, URL string
	Now                                                 time.Time
}

// outcome is an error, if there was one; Domain is for a person to read.
type outcome struct {
	Error  string
	Domain *issuance.Error
}

func main() {
	runtime.LockOSThread() // strace counts system calls by thread
	var h hierarchy
	if err := json.NewDecoder(os.Stdin).Decode(&h); err != nil {
		log.Fatal(err)
	}
	if len(os.Args) == 1 {
		if err := h.create(); err != nil {
			log.Fatal(err)
		}
		return
	}
	results := []outcome{said(h.open()), said(h.create()), said(h.open())}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}

func (h hierarchy) create() error {
	return ca.Create(ca.CreateOptions{
		Dir: h.Dir, TrustDomain: h.TrustDomain, OrganizationName: h.OrganizationName,
		Passphrase: issuance.NewSecret([]byte(h.Passphrase)),
		URLs:       ca.URLs{Base: h.URL}, Now: func() time.Time { return h.Now },
	})
}

func (h hierarchy) open() error {
	_, err := ca.Open(ca.OpenOptions{
		Dir: h.Dir, TrustDomain: h.TrustDomain, Passphrase: issuance.NewSecret([]byte(h.Passphrase)),
		URLs: ca.URLs{Base: h.URL}, Now: func() time.Time { return h.Now },
	})
	return err
}

func said(err error) (o outcome) {
	if err != nil {
		o.Error = err.Error()
		o.Domain, _ = errors.AsType[*issuance.Error](err)
	}
	return o
}
