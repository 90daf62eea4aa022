package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
	"github.com/postern-ca/postern/issuance"
)

// Found is what CRLs say that were found somewhere: on a web service's machine, in
// a cache. All of them are complete and signed by a CA of the hierarchy; whether
// they have expired does not matter, because what they revoked stays revoked.
type Found struct {
	Issuing []issuance.Published
	Root    []*x509.RevocationList // the root's own
}

// ReadCRLs reads CRLs in PEM, as a bundle has them, or one in DER. It returns an
// error of kind Invalid for anything else in data, and for a CRL that is not
// complete or not of this hierarchy.
func (a *Authority) ReadCRLs(data []byte) (f Found, err error) {
	blocks := [][]byte{data}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		blocks = nil
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "X509 CRL" {
				return f, foundError("it has something other than a CRL: " + block.Type)
			}
			blocks = append(blocks, block.Bytes)
		}
	}
	for i, der := range blocks {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return f, foundError(fmt.Sprintf("CRL %d cannot be read: %v", i+1, err))
		}
		if err := a.take(&f, list); err != nil {
			return f, err
		}
	}
	if len(f.Issuing)+len(f.Root) == 0 {
		return f, foundError("there is no CRL in it")
	}
	return f, nil
}

// take adds list to f if it is one of this hierarchy's.
func (a *Authority) take(f *Found, list *x509.RevocationList) error {
	for _, e := range list.Extensions {
		if e.Critical {
			return foundError("a CRL of " + list.Issuer.String() + " is not complete: it is a part, or the changes since another")
		}
	}
	if list.Number == nil || !list.Number.IsUint64() {
		return foundError("a CRL of " + list.Issuer.String() + " has no number")
	}
	if signed(list, a.root) {
		f.Root = append(f.Root, list)
		return nil
	}
	for _, is := range a.issuing {
		if signed(list, is.Certificate) {
			f.Issuing = append(f.Issuing, publishedBy(is.ID, list))
			return nil
		}
	}
	return foundError("a CRL of " + list.Issuer.String() + " was not issued by this CA")
}

func signed(list *x509.RevocationList, by *x509.Certificate) bool {
	return bytes.Equal(list.RawIssuer, by.RawSubject) && crlfile.AcceptsSignature(list.SignatureAlgorithm) &&
		list.CheckSignatureFrom(by) == nil
}

func publishedBy(id string, list *x509.RevocationList) issuance.Published {
	p := issuance.Published{Issuer: id, Number: list.Number.Uint64(), ThisUpdate: list.ThisUpdate}
	for _, e := range list.RevokedCertificateEntries {
		r := issuance.Revocation{
			Serial: issuance.SerialOf(e.SerialNumber), Status: issuance.Revoked, Reason: issuance.ReasonOf(e.ReasonCode),
			At: e.RevocationTime,
		}
		if r.Reason == issuance.CertificateHold {
			r.Status = issuance.Held
		}
		p.Entries = append(p.Entries, r)
	}
	return p
}

func foundError(why string) error {
	return issuance.Invalidf("crl", why, "give a CRL of this CA in DER or PEM, or the bundle that a web service has")
}

// RootCRLNumber returns the number of the root's CRL, 0 if it has none.
func (a *Authority) RootCRLNumber() (uint64, error) {
	list, err := a.readRootCRL()
	if err != nil || list.Number == nil || !list.Number.IsUint64() {
		return 0, err
	}
	return list.Number.Uint64(), nil
}

// RaiseRootCRL has the root's CRL have a number that is at least least: by the
// newest of found, or by signing it again under a number above. The root's key is
// needed for that; an error of kind Unavailable says that it is kept elsewhere.
func (a *Authority) RaiseRootCRL(least uint64, found []*x509.RevocationList, now time.Time) error {
	a.renewal.Lock()
	defer a.renewal.Unlock()
	list, err := a.readRootCRL()
	if err != nil {
		return err
	}
	newest := list
	for _, other := range found {
		if newest.Number == nil || other.Number.Cmp(newest.Number) > 0 {
			newest = other
		}
	}
	if newest != list {
		if err := writeFile(a.dir, rootCRLFile, newest.Raw, 0o644); err != nil {
			return err
		}
	}
	if newest.Number != nil && newest.Number.IsUint64() && newest.Number.Uint64() >= least {
		return nil
	}
	return a.signRootAbove(least, newest, now)
}

func (a *Authority) signRootAbove(least uint64, list *x509.RevocationList, now time.Time) error {
	if there, err := exists(a.dir, rootKeyFile); err != nil || !there {
		return &issuance.Error{
			Kind: issuance.Unavailable, Code: issuance.CodeState,
			Message: fmt.Sprintf("the root's CRL with number %d is missing, and the root's key is not here to sign another", least),
			Hint: "give that CRL with --crl (a bundle of a web service has it), or put " + rootKeyFile + " back into " + a.dir +
				" for a moment",
		}
	}
	key, err := readKey(a.dir, RootID, a.passphrase, a.root)
	if err != nil {
		return err
	}
	der, err := signRootCRL(a.root, key, &x509.RevocationList{
		Number: new(big.Int).SetUint64(least + 1), RevokedCertificateEntries: list.RevokedCertificateEntries,
	}, now.UTC().Truncate(time.Second))
	if err != nil {
		return err
	}
	return writeFile(a.dir, rootCRLFile, der, 0o644)
}

// Files returns the names of the files in the directory of a hierarchy that a copy
// of it needs: all but what Create or a crash has left.
func Files(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the directory of the CA: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && filepath.Ext(e.Name()) != ".new" && e.Name() != creatingFile {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
