package storagetest

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-ca/postern/issuance"
)

// testUsages: a certificate's uses are a record beside it, which replaces the one
// before and changes nothing else.
func testUsages(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	c := certificate(1, nil)
	putCertificates(t, s, c, certificate(2, nil))
	used := issuance.Usage{Serial: c.Serial, Count: 1, First: after(1), Last: after(1)}
	update(t, s, func(tx Tx) error { return tx.PutUsage(used) })
	used.Count, used.Last = 1<<40, after(2)
	used.Refused, used.RefusedLast, used.RefusedCode = 3, after(3), "certificate-held"
	update(t, s, func(tx Tx) error {
		if err := tx.PutUsage(used); err != nil {
			return err
		}
		got, err := tx.Usage(c.Serial)
		same(t, "in the transaction that puts it", used, got)
		return err
	})
	for range 2 {
		same(t, "Usage", used, read(t, s, func(tx Reader) (issuance.Usage, error) { return tx.Usage(c.Serial) }))
		same(t, "its certificate", c, read(t, s, func(tx Reader) (issuance.Certificate, error) { return tx.Certificate(c.Serial) }))
		view(t, s, func(tx Reader) error {
			if _, err := tx.Usage(certificate(2, nil).Serial); !isNotFound(err) {
				t.Errorf("of one that was never used: got %v, want ErrNotFound", err)
			}
			return nil
		})
		s = open()
	}
	if err := s.Update(t.Context(), func(tx Tx) error { return tx.PutUsage(issuance.Usage{Count: 1}) }); err == nil {
		t.Error("a record without a serial number was kept")
	}
}

func (w *world) usage(rt *rapid.T) issuance.Usage {
	return issuance.Usage{
		Serial: w.serial(rt), Count: rapid.Uint64Range(1, 9).Draw(rt, "count"), First: instant(rt, "first"),
		Last: instant(rt, "last"),
	}
}

func (w *world) askUsages(rt *rapid.T) {
	serial := w.serial(rt)
	want, known := w.usages[serial]
	view(rt, w.s, func(tx Reader) error {
		got, err := tx.Usage(serial)
		if known != (err == nil) || !known && !isNotFound(err) {
			rt.Fatalf("the uses of %s: got %v, known %v", serial, err, known)
		}
		same(rt, "uses", want, got)
		return nil
	})
}
