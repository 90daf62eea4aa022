package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"
	"unicode"
	"unicode/utf8"

	casapi "github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/cas/softcas"
	kmsapi "go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/kms/softkms"
	"go.step.sm/crypto/pemutil"

	"github.com/postern-ca/postern/issuance"
)

// The files of a hierarchy. An issuing CA's are its id with .pem and .key.
const (
	rootFile     = RootID + ".pem"
	rootKeyFile  = RootID + ".key"
	rootCRLFile  = RootID + ".crl"
	firstIssuing = "issuing-1"
	// creatingFile is there while Create is at work, and after a crash of it.
	creatingFile = "creating"
)

const (
	rootYears    = 20
	issuingYears = 10
	// caBackdate is the most that issuance.Policy lets a client certificate be
	// backdated: no certificate begins before the CAs above it.
	caBackdate = 24 * time.Hour
)

// CreateOptions describes the hierarchy to create.
type CreateOptions struct {
	Dir              string // created if it does not exist, readable only by its owner
	TrustDomain      string // of the SPIFFE IDs: a domain name, for example example.com
	OrganizationName string // O of the CAs: who runs them
	Passphrase       issuance.Secret
	URLs             URLs
	Now              func() time.Time // nil: time.Now
}

func (o CreateOptions) check() error {
	switch {
	case o.Dir == "":
		return issuance.Invalidf("data", "is empty", "set the directory for the CA's files")
	case o.Passphrase.Empty():
		return issuance.Invalidf("passphrase", "is empty", "set the passphrase that encrypts the CA's keys")
	}
	if err := checkOrganizationName(o.OrganizationName); err != nil {
		return issuance.Invalidf("organization_name", err.Error(), "use the name of the CA's operator, 1 to 64 characters on one line")
	}
	if err := checkTrustDomain(o.TrustDomain); err != nil {
		return err
	}
	return o.URLs.check()
}

// checkOrganizationName refuses what does not fit O (ub-organization-name of
// RFC 5280, appendix A.1).
func checkOrganizationName(name string) error {
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > 64 {
		return errors.New("is empty, not UTF-8 or longer than 64 characters")
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return errors.New("contains a control character")
		}
	}
	return nil
}

// checkTrustDomain accepts a lower-case domain name of two labels or more: what
// both SPIFFE-ID, section 2.1, and RFC 5280, section 4.2.1.6, allow as a URI's host.
func checkTrustDomain(domain string) error {
	label, labels := 0, 1
	ok := len(domain) <= 253
	for i := 0; ok && i < len(domain); i++ {
		switch c := domain[i]; {
		case c == '.':
			ok = label > 0 && domain[i-1] != '-'
			label, labels = 0, labels+1
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && label > 0:
			label++
			ok = label <= 63
		default:
			ok = false
		}
	}
	if !ok || label == 0 || labels < 2 || domain[len(domain)-1] == '-' {
		return issuance.Invalidf("ca.trust_domain", "is not a domain name",
			"use a domain of yours in lower case, for example example.com; it is part of every certificate")
	}
	return nil
}

// Create creates a root and the issuing CA issuing-1 below it. It writes both to
// o.Dir, with their encrypted keys and the root's first CRL. It never replaces a
// hierarchy: if there is one, it returns an error of kind Conflict. After a crash,
// [Open] refuses an incomplete hierarchy and Create begins again, since nothing can
// have been signed with it.
func Create(o CreateOptions) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := claimDir(o.Dir); err != nil {
		return err
	}
	files, err := o.generate()
	if err != nil {
		return fmt.Errorf("making the hierarchy: %w", err)
	}
	for _, f := range files {
		if err := writeFile(o.Dir, f.name, f.data, f.mode); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(o.Dir, creatingFile)); err != nil {
		return fmt.Errorf("finishing the hierarchy: %w", err)
	}
	return syncDir(o.Dir)
}

// claimDir makes dir and the mark that says its hierarchy is not complete. Without
// that mark, dir must have no file of a hierarchy.
func claimDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of the CA: %w", err)
	}
	interrupted, err := exists(dir, creatingFile)
	if err != nil {
		return fmt.Errorf("looking for an earlier CA: %w", err)
	}
	for _, name := range []string{rootFile, rootKeyFile, rootCRLFile, firstIssuing + ".pem", firstIssuing + ".key"} {
		found, err := exists(dir, name)
		if err != nil {
			return fmt.Errorf("looking for an earlier CA: %w", err)
		}
		if found && !interrupted {
			return &issuance.Error{
				Kind: issuance.Conflict, Code: issuance.CodeState, Message: dir + " already has a CA: " + name + " exists",
				Hint: "use it as it is, or choose another directory; a CA is never replaced",
			}
		}
	}
	return writeFile(dir, creatingFile, []byte("A CA is being created here, or its creation was interrupted.\n"), 0o600)
}

type file struct {
	name string
	data []byte
	mode fs.FileMode
}

// generate makes keys, certificates and the root's CRL in memory.
func (o CreateOptions) generate() ([]file, error) {
	keys, err := softkms.New(context.Background(), kmsapi.Options{})
	if err != nil {
		return nil, err
	}
	service, err := softcas.New(context.Background(), casapi.Options{
		IsCreator: true, KeyManager: guardedKeys{keys, rootRules(nil, o.TrustDomain, o.URLs)},
	})
	if err != nil {
		return nil, err
	}
	now := o.Now().UTC().Truncate(time.Second)
	root, err := service.CreateCertificateAuthority(&casapi.CreateCertificateAuthorityRequest{
		Type:     casapi.RootCA,
		Template: o.template("Client Root CA", 1, now, rootYears),
		Lifetime: rootYears * 365 * 24 * time.Hour, // the template's validity is what counts
		// P-256, as all that is below it: OpenSSL takes ten times as long over a
		// signature by P-384, which each handshake of each web service would pay for.
		CreateKey: &casapi.CreateKeyRequest{SignatureAlgorithm: kmsapi.ECDSAWithSHA256},
	})
	if err != nil {
		return nil, fmt.Errorf("making the root: %w", err)
	}
	if root.Signer, err = guardRoot(root.PrivateKey, root.Certificate, o.TrustDomain, o.URLs); err != nil {
		return nil, err
	}
	template := o.template("Client Issuing CA 1", 0, now, issuingYears)
	template.CRLDistributionPoints = []string{o.URLs.CRL(RootID)}
	template.IssuingCertificateURL = []string{o.URLs.Certificate(RootID)}
	issuing, err := service.CreateCertificateAuthority(&casapi.CreateCertificateAuthorityRequest{
		Type:      casapi.IntermediateCA,
		Template:  template,
		Lifetime:  issuingYears * 365 * 24 * time.Hour,
		CreateKey: &casapi.CreateKeyRequest{SignatureAlgorithm: kmsapi.ECDSAWithSHA256},
		Parent:    root,
	})
	if err != nil {
		return nil, fmt.Errorf("making the issuing CA: %w", err)
	}
	crl, err := signRootCRL(root.Certificate, root.Signer, &x509.RevocationList{Number: newCRLNumber(nil)}, now)
	if err != nil {
		return nil, err
	}
	rootKey, err := o.encrypt(root.PrivateKey)
	if err != nil {
		return nil, err
	}
	issuingKey, err := o.encrypt(issuing.PrivateKey)
	if err != nil {
		return nil, err
	}
	return []file{
		{rootKeyFile, rootKey, 0o600},
		{rootFile, certificatePEM(root.Certificate), 0o644},
		{firstIssuing + ".key", issuingKey, 0o600},
		{firstIssuing + ".pem", certificatePEM(issuing.Certificate), 0o644},
		{rootCRLFile, crl, 0o644},
	}, nil
}

// template returns a CA's certificate (RFC 5280, section 4.2.1.9; X509-SVID,
// section 4.2, for the SPIFFE ID of the trust domain).
func (o CreateOptions) template(name string, pathLen int, now time.Time, years int) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          issuance.NewSerial().Int(),
		Subject:               pkix.Name{Organization: []string{o.OrganizationName}, CommonName: name},
		NotBefore:             now.Add(-caBackdate),
		NotAfter:              now.AddDate(years, 0, 0),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            pathLen,
		MaxPathLenZero:        pathLen == 0,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: o.TrustDomain}},
	}
}

// encrypt returns key as encrypted PKCS #8 (RFC 5958, PBES2 with PBKDF2 and AES-256) in PEM.
func (o CreateOptions) encrypt(key crypto.PrivateKey) ([]byte, error) {
	block, err := pemutil.Serialize(key, pemutil.WithPKCS8(true), pemutil.WithPassword(o.Passphrase.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("encrypting a key: %w", err)
	}
	return pem.EncodeToMemory(block), nil
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
