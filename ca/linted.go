package ca

import (
	"crypto"
	"crypto/x509"
	"fmt"

	kmsapi "go.step.sm/crypto/kms/apiv1"

	"github.com/postern-ca/postern/ca/lint"
)

// rules are what the key of the issuing CA id may sign.
func (a *Authority) rules(id string, cert *x509.Certificate) lint.Rules {
	r := a.limits
	r.Issuer, r.Kinds = cert, []lint.Kind{lint.Client, lint.Server, lint.Responder, lint.CRL}
	r.CRL, r.Certificate, r.OCSP = a.urls.CRL(id), a.urls.Certificate(id), a.urls.OCSP()
	if of := a.shards; of > 0 {
		r.Point = func(serial []byte) string { return a.urls.CRL(shardName(id, shardOf(serial, of), of)) }
	}
	return r
}

// rootRules are what the key of the root with cert may sign; nil: of one that is being made.
func rootRules(cert *x509.Certificate, trustDomain string, urls URLs) lint.Rules {
	r := lint.Rules{
		Issuer: cert, TrustDomain: trustDomain, CRL: urls.CRL(RootID), Certificate: urls.Certificate(RootID),
		Kinds: []lint.Kind{lint.Root},
	}
	if cert != nil {
		r.Kinds = []lint.Kind{lint.IssuingCA, lint.CRL}
	}
	return r
}

// guardRoot returns the root's key behind its rules.
func guardRoot(key crypto.PrivateKey, cert *x509.Certificate, trustDomain string, urls URLs) (crypto.Signer, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return lint.New(signer, rootRules(cert, trustDomain, urls))
}

// guardedKeys makes keys that are behind rules before they have signed anything.
type guardedKeys struct {
	kmsapi.KeyManager
	rules lint.Rules
}

func (g guardedKeys) CreateSigner(q *kmsapi.CreateSignerRequest) (crypto.Signer, error) {
	key, err := g.KeyManager.CreateSigner(q)
	if err != nil {
		return nil, err
	}
	return lint.New(key, g.rules)
}
