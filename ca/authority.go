package ca

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	casapi "github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/cas/softcas"
	"go.step.sm/crypto/keyutil"
	"go.step.sm/crypto/pemutil"

	"github.com/postern-ca/postern/ca/lint"
	"github.com/postern-ca/postern/issuance"
)

// OpenOptions sets where a hierarchy is and what its certificates contain.
type OpenOptions struct {
	Dir         string
	TrustDomain string
	Passphrase  issuance.Secret
	URLs        URLs
	Now         func() time.Time // nil: time.Now
	// Shards is the number of parts of the CRL, of which each new client
	// certificate names one: a power of two up to 1,024. 0: certificates name the
	// full CRL.
	Shards int
	// Validity is the longest of a client certificate, which begins Backdate before it
	// is issued. Zero: as long as its issuer.
	Validity issuance.Period
	Backdate time.Duration
	// Refused is told of everything that is not signed because it does not pass the
	// lints; nil: nobody is. It must not block.
	Refused func(*lint.Refusal)
}

// Authority is an open hierarchy. Its methods may be called from many goroutines.
type Authority struct {
	dir         string
	trustDomain string
	passphrase  issuance.Secret
	urls        URLs
	now         func() time.Time
	root        *x509.Certificate
	issuing     []*issuing // by number; the last one signs
	limits      lint.Rules // of the issuing CAs, without what differs
	shards      int        // of the CRL that new client certificates name
	shardCounts []int      // which certificates may name

	renewal sync.Mutex // one renewal of the root's CRL at a time
	mu      sync.Mutex // guards rootCRL
	rootCRL *x509.RevocationList
}

// issuing is an issuing CA with what all its certificates have in common.
type issuing struct {
	Issuer
	service casapi.CertificateAuthorityService
	profile profile
}

// Open reads the hierarchy that [Create] made. The root's key does not have to
// exist. It returns an error unless every issuing CA's key opens with the
// passphrase and belongs to the certificate, and each chain is valid now; an
// issuing CA that has expired is left out.
func Open(o OpenOptions) (*Authority, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := errors.Join(checkTrustDomain(o.TrustDomain), o.URLs.check()); err != nil {
		return nil, err
	}
	if err := checkComplete(o.Dir); err != nil {
		return nil, err
	}
	a := &Authority{
		shards: o.Shards, dir: o.Dir, trustDomain: o.TrustDomain, passphrase: o.Passphrase, urls: o.URLs, now: o.Now,
		limits: lint.Rules{TrustDomain: o.TrustDomain, Validity: o.Validity, Backdate: o.Backdate, Refused: o.Refused},
	}
	var err error
	if a.root, err = readCertificate(o.Dir, RootID); err != nil {
		return nil, err
	}
	if _, err := a.readRootCRL(); err != nil {
		return nil, err
	}
	ids, err := issuingIDs(o.Dir)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := a.load(id); err != nil {
			return nil, fmt.Errorf("opening %s: %w", id, err)
		}
	}
	if len(a.issuing) == 0 {
		return nil, damaged(o.Dir, "none of its issuing CAs is valid any longer", "create a new issuing CA under the root")
	}
	if a.shardCounts, err = recordShards(o.Dir, o.Shards); err != nil {
		return nil, err
	}
	return a, nil
}

// checkComplete refuses a directory that Create has not finished.
func checkComplete(dir string) error {
	if interrupted, err := exists(dir, creatingFile); err != nil {
		return fmt.Errorf("opening the CA: %w", err)
	} else if interrupted {
		return damaged(dir, "its creation was interrupted", "run `postern init` again: it has not signed anything, and starts over")
	}
	for _, name := range []string{rootFile, rootCRLFile} {
		found, err := exists(dir, name)
		if err != nil {
			return fmt.Errorf("opening the CA: %w", err)
		}
		if !found {
			return damaged(dir, "it has no "+name, "create a CA with `postern init`, or restore the file from a backup")
		}
	}
	return nil
}

func damaged(dir, message, hint string) error {
	return &issuance.Error{
		Kind: issuance.Unavailable, Code: issuance.CodeState, Message: "the CA in " + dir + " cannot be used: " + message,
		Hint: hint,
	}
}

// issuingIDs returns issuing-1, issuing-2 and so on, as far as dir has them.
func issuingIDs(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "issuing-*.pem"))
	if err != nil {
		return nil, fmt.Errorf("looking for issuing CAs: %w", err)
	}
	number := func(id string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(id, "issuing-"))
		if err != nil {
			return 0
		}
		return n
	}
	var ids []string
	for _, p := range paths {
		if id := strings.TrimSuffix(filepath.Base(p), ".pem"); number(id) > 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	return ids, nil
}

// load adds the issuing CA id to a, unless its time is over.
func (a *Authority) load(id string) error {
	cert, err := readCertificate(a.dir, id)
	if err != nil {
		return err
	}
	now := a.now()
	if now.After(cert.NotAfter) {
		return nil
	}
	if err := a.checkChain(cert, now); err != nil {
		return err
	}
	key, err := readKey(a.dir, id, a.passphrase, cert)
	if err != nil {
		return err
	}
	// From here on the key itself is out of reach.
	guarded, err := lint.New(key, a.rules(id, cert))
	if err != nil {
		return err
	}
	service, err := newService(cert, a.root, guarded)
	if err != nil {
		return err
	}
	p, err := newProfile(id, cert, a.urls)
	if err != nil {
		return err
	}
	p.shards = a.shards
	a.issuing = append(a.issuing, &issuing{Issuer: Issuer{ID: id, Certificate: cert, Signer: guarded}, service: service, profile: p})
	return nil
}

// newService returns smallstep's CA that signs with key.
func newService(cert, root *x509.Certificate, key crypto.Signer) (casapi.CertificateAuthorityService, error) {
	return softcas.New(context.Background(), casapi.Options{CertificateChain: []*x509.Certificate{cert, root}, Signer: key})
}

// checkChain returns an error unless cert is a CA under a's root at now, of a's trust domain.
func (a *Authority) checkChain(cert *x509.Certificate, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	const hint = "set the clock if it is wrong, or restore the files from a backup"
	switch {
	case err != nil:
		return damaged(a.dir, "its chain is not valid: "+err.Error(), hint)
	case !cert.IsCA, cert.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != x509.KeyUsageCertSign|x509.KeyUsageCRLSign:
		return damaged(a.dir, "its issuing certificate does not belong to a CA that signs certificates and CRLs", hint)
	}
	for _, u := range cert.URIs {
		if u.Scheme == "spiffe" && u.Host != a.trustDomain {
			return issuance.Invalidf("ca.trust_domain", "differs from the one that the CA was created for, "+u.Host,
				"set it to "+u.Host+", or create a CA for the other trust domain in another directory")
		}
	}
	return nil
}

// readCertificate reads id's certificate.
func readCertificate(dir, id string) (*x509.Certificate, error) {
	data, err := os.ReadFile(filepath.Join(dir, id+".pem"))
	if err != nil {
		return nil, fmt.Errorf("reading a CA certificate: %w", err)
	}
	cert, err := pemutil.ParseCertificate(data)
	if err != nil {
		return nil, damaged(dir, id+".pem is not a certificate", "restore it from a backup")
	}
	return cert, nil
}

// readKey reads id's key and returns an error unless it is cert's.
func readKey(dir, id string, passphrase issuance.Secret, cert *x509.Certificate) (crypto.Signer, error) {
	name := id + ".key"
	data, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, damaged(dir, "it has no "+name, "restore it from a backup")
	} else if err != nil {
		return nil, fmt.Errorf("reading a CA key: %w", err)
	}
	// What the parser says stays here: it may hold parts of a badly decrypted key.
	parsed, err := pemutil.ParseKey(data, pemutil.WithPassword(passphrase.Reveal()))
	if err != nil {
		return nil, issuance.Invalidf("passphrase", "does not open "+name,
			"use the passphrase that the CA was created with; if it is the right one, the file is damaged: restore "+
				"it from a backup")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok || !keyutil.Equal(key.Public(), cert.PublicKey) {
		return nil, damaged(dir, name+" is not the key of "+id+".pem", "restore both files from the same backup")
	}
	return key, nil
}

// Root returns the root's certificate.
func (a *Authority) Root() *x509.Certificate { return a.root }

// Issuers returns the issuing CAs with their signers; the last one signs new
// certificates.
func (a *Authority) Issuers() []Issuer {
	out := make([]Issuer, len(a.issuing))
	for i, is := range a.issuing {
		out[i] = is.Issuer
	}
	return out
}

// ShardCounts returns every number of shards that a's certificates name.
// [Publisher] has to publish these shards until the certificates expire.
func (a *Authority) ShardCounts() []int { return slices.Clone(a.shardCounts) }

func (a *Authority) current() *issuing { return a.issuing[len(a.issuing)-1] }

// Issuer implements [issuance.Signer].
func (a *Authority) Issuer() (string, time.Time) {
	is := a.current()
	return is.ID, is.Certificate.NotAfter
}

// Chain implements [issuance.Signer].
func (a *Authority) Chain(issuer string) ([][]byte, error) {
	for _, is := range a.issuing {
		if is.ID == issuer {
			return [][]byte{is.Certificate.Raw, a.root.Raw}, nil
		}
	}
	return nil, fmt.Errorf("there is no issuing CA %q: %w", issuer, issuance.ErrNotFound)
}
