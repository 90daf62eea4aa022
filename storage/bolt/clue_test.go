package bolt

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

// clued is the i-th certificate. The serial numbers of i and i+1000 end alike, and the
// fingerprints of i and i+4 begin alike.
func clued(i int) issuance.Certificate {
	der := fmt.Append(nil, "certificate ", i)
	sum := sha256.Sum256(der)
	copy(sum[:8], fmt.Sprintf("alike%03d", i/8*8+i%4))
	return issuance.Certificate{
		Serial: issuance.Serial(fmt.Sprintf("3f%04x%020x%03d", i, i, i%1000)), Status: issuance.Active,
		Fingerprint: hex.EncodeToString(sum[:]), DER: der,
	}
}

func freshStore(t *testing.T) (*Store, Options) {
	t.Helper()
	key, err := seal.Create(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Path: filepath.Join(t.TempDir(), "db"), Key: key, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

// TestEachCertificateIsFoundAtOnce puts more than two runs of certificates, 100 a
// transaction, of which every other one fails and comes again, and finds the last one of
// each at once, and all of them at the end, and in the file that is opened again.
func TestEachCertificateIsFoundAtOnce(t *testing.T) {
	s, o := freshStore(t)
	const all = 2*runLength + 100
	no := errors.New("no")
	for from := 0; from < all; from += 100 {
		for _, want := range []error{no, nil} {
			err := s.Update(t.Context(), func(tx issuance.Tx) error {
				for i := from; i < min(from+100, all); i++ {
					if err := tx.PutCertificate(clued(i)); err != nil {
						return err
					}
				}
				return want
			})
			if !errors.Is(err, want) {
				t.Fatalf("putting certificates: %v, want %v", err, want)
			}
		}
		isFound(t, s, min(from+99, all-1))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range all {
		isFound(t, s, i)
	}
	compare(t, s, "an ending of three", []string{serialOf(7), serialOf(1007), serialOf(2007)}, func(tx issuance.Snapshot) ([]string, error) {
		found, err := tx.CertificatesWith(issuance.CertificateKey{Ending: "007"}, 9)
		return sorted(serials(found)), err
	})
}

func serialOf(i int) string { return string(clued(i).Serial) }

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// isFound finds the i-th certificate, alone, by all that it is found by.
func isFound(t *testing.T, s *Store, i int) {
	t.Helper()
	c := clued(i)
	old := sha1.Sum(c.DER)
	for _, k := range []issuance.CertificateKey{
		{SHA256: c.Fingerprint}, {SHA1: hex.EncodeToString(old[:])}, {Ending: string(c.Serial)[3:]},
	} {
		compare(t, s, fmt.Sprintf("%d %+v", i, k), []string{string(c.Serial)}, func(tx issuance.Snapshot) ([]string, error) {
			found, err := tx.CertificatesWith(k, 9)
			return serials(found), err
		})
	}
}

// TestAClueThatIsTrueNoMore changes what certificates are found by, in a run and in a
// clue: they are found by the new, and by the old no more.
func TestAClueThatIsTrueNoMore(t *testing.T) {
	s, _ := freshStore(t)
	defer s.Close()
	put := func(all ...issuance.Certificate) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx issuance.Tx) (err error) {
			for _, c := range all {
				err = first(err, tx.PutCertificate(c))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	var all []issuance.Certificate
	for i := range runLength + 1 {
		all = append(all, clued(i))
	}
	put(all...)
	for _, i := range []int{3, runLength} {
		was, is := clued(i), clued(i)
		is.DER, is.Fingerprint = []byte("another"), hex.EncodeToString(make([]byte, 32))
		put(is)
		for k, want := range map[issuance.CertificateKey][]string{
			{SHA256: was.Fingerprint}: nil, {SHA256: is.Fingerprint}: {serialOf(i)}, {Ending: serialOf(i)}: {serialOf(i)},
		} {
			compare(t, s, fmt.Sprintf("%d %+v", i, k), want, func(tx issuance.Snapshot) ([]string, error) {
				found, err := tx.CertificatesWith(k, 9)
				return serials(found), err
			})
		}
		put(was)
		isFound(t, s, i)
		was.Status = issuance.Abandoned
		put(was)
		compare(t, s, "one that was given up", nil, func(tx issuance.Snapshot) ([]string, error) {
			found, err := tx.CertificatesWith(issuance.CertificateKey{Ending: serialOf(i)}, 9)
			return serials(found), err
		})
	}
}
