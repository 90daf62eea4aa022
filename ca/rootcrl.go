package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	casapi "github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/cas/softcas"

	"github.com/postern-ca/postern/issuance"
)

// newCRLNumber returns the number after the previous one, 1 at first (RFC 5280, section 5.2.3).
func newCRLNumber(previous *big.Int) *big.Int {
	if previous == nil {
		return big.NewInt(1)
	}
	return new(big.Int).Add(previous, big.NewInt(1))
}

// signRootCRL returns a CRL (DER) with list's number and entries, good for a year.
func signRootCRL(root *x509.Certificate, key crypto.Signer, list *x509.RevocationList, now time.Time) ([]byte, error) {
	service, err := softcas.New(context.Background(), casapi.Options{CertificateChain: []*x509.Certificate{root}, Signer: key})
	if err != nil {
		return nil, fmt.Errorf("signing the root's CRL: %w", err)
	}
	signed, err := service.CreateCRL(&casapi.CreateCRLRequest{RevocationList: &x509.RevocationList{
		Number:                    list.Number,
		RevokedCertificateEntries: list.RevokedCertificateEntries,
		ThisUpdate:                now,
		NextUpdate:                now.AddDate(1, 0, 0),
	}})
	if err != nil {
		return nil, fmt.Errorf("signing the root's CRL: %w", err)
	}
	return signed.CRL, nil
}

// RootCRL returns the root's CRL in DER. It reads the file each time, so a CRL that
// was signed with an offline root and copied here takes effect at once. It returns
// an error if the CRL is not the root's.
func (a *Authority) RootCRL() ([]byte, error) {
	list, err := a.readRootCRL()
	if err != nil {
		return nil, err
	}
	return list.Raw, nil
}

func (a *Authority) readRootCRL() (*x509.RevocationList, error) {
	der, err := os.ReadFile(filepath.Join(a.dir, rootCRLFile))
	if err != nil {
		return nil, fmt.Errorf("reading the root's CRL: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rootCRL != nil && bytes.Equal(der, a.rootCRL.Raw) {
		return a.rootCRL, nil
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("reading the root's CRL: %w", err)
	}
	if err := list.CheckSignatureFrom(a.root); err != nil {
		return nil, damaged(a.dir, rootCRLFile+" was not issued by the root",
			"restore it from a backup, or sign it again with the root's key")
	}
	a.rootCRL = list
	return list, nil
}

// RenewRootCRL signs the root's CRL again, under the next number, if less than half
// of its lifetime is left at now, or if it is dated after now. The root's key is read
// for this, and then forgotten. It returns an error of kind Unavailable if the CRL is
// due and the key is kept elsewhere. Until the CRL expires, this error is only a reminder.
func (a *Authority) RenewRootCRL(now time.Time) error {
	a.renewal.Lock()
	defer a.renewal.Unlock()
	list, err := a.readRootCRL()
	if err != nil {
		return err
	}
	early := list.ThisUpdate.After(now)
	if !early && list.NextUpdate.Sub(now) > list.NextUpdate.Sub(list.ThisUpdate)/2 {
		return nil
	}
	there, err := exists(a.dir, rootKeyFile)
	if err != nil {
		return fmt.Errorf("looking for the root's key: %w", err)
	}
	if !there {
		what := "the root's CRL expires on " + list.NextUpdate.Format(time.DateOnly)
		if early {
			what = "the root's CRL is dated in the future, " + list.ThisUpdate.Format(time.RFC3339)
		}
		return &issuance.Error{
			Kind: issuance.Unavailable, Code: issuance.CodeState,
			Message: what + ", and the root's key is not here to renew it",
			Hint: "put " + rootKeyFile + " back into " + a.dir +
				" for a moment, or sign a new CRL where the key is and copy it to " + rootCRLFile,
		}
	}
	key, err := readKey(a.dir, RootID, a.passphrase, a.root)
	if err != nil {
		return err
	}
	guarded, err := guardRoot(key, a.root, a.trustDomain, a.urls)
	if err != nil {
		return err
	}
	number := newCRLNumber(list.Number)
	der, err := signRootCRL(a.root, guarded, &x509.RevocationList{
		Number: number, RevokedCertificateEntries: list.RevokedCertificateEntries,
	}, now.UTC().Truncate(time.Second))
	if err != nil {
		return err
	}
	return writeFile(a.dir, rootCRLFile, der, 0o644)
}
