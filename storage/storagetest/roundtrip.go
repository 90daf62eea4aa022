package storagetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
)

// testRoundTrip puts records in which every field has a value, whatever fields
// there are, and asks for the same back.
func testRoundTrip(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	trip(t, s, Tx.PutOrganization, func(tx Reader, r issuance.Organization) (issuance.Organization, error) {
		return tx.Organization(r.ID)
	})
	trip(t, s, Tx.PutContact, func(tx Reader, r issuance.Contact) (issuance.Contact, error) { return tx.Contact(r.ID) })
	trip(t, s, Tx.PutProposal, func(tx Reader, r issuance.Proposal) (issuance.Proposal, error) { return tx.Proposal(r.ID) })
	trip(t, s, Tx.PutService, func(tx Reader, r issuance.Service) (issuance.Service, error) { return tx.Service(r.ID) })
	trip(t, s, Tx.PutOrder, func(tx Reader, r issuance.Order) (issuance.Order, error) { return tx.Order(r.ID) })
	trip(t, s, Tx.PutCertificate, func(tx Reader, r issuance.Certificate) (issuance.Certificate, error) {
		return tx.Certificate(r.Serial)
	})
	trip(t, s, Tx.PutUsage, func(tx Reader, r issuance.Usage) (issuance.Usage, error) { return tx.Usage(r.Serial) })
	trip(t, s, Tx.PutNotice, func(tx Reader, r issuance.Notice) (issuance.Notice, error) { return tx.Notice(r.ID) })
	trip(t, s, Tx.PutToken, func(tx Reader, r staff.Token) (staff.Token, error) { return tx.Token(r.ID) })
	trip(t, s, Tx.PutStoredReport, func(tx Reader, r report.Stored) (report.Stored, error) {
		return tx.StoredReport(r.ID)
	})
	trip(t, s, Tx.PutReceipt, func(tx Reader, r issuance.Receipt) (issuance.Receipt, error) { return tx.Receipt(r.Key) })
}

func trip[R any](t *testing.T, s Store, put func(Tx, R) error, get func(Reader, R) (R, error)) {
	t.Helper()
	var want R
	n := 0
	fill(t, reflect.ValueOf(&want).Elem(), &n)
	update(t, s, func(tx Tx) error { return put(tx, want) })
	got := read(t, s, func(tx Reader) (R, error) { return get(tx, want) })
	same(t, fmt.Sprintf("%T", want), want, got)
}

// fill gives every field of v another value.
func fill(t testing.TB, v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("<%d> \"ä\u2028😀\"\n", *n))
	case reflect.Int:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(1<<63 + uint64(*n))
	case reflect.Uint8:
		v.SetUint(0xff)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range 3 {
			fill(t, v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"key": "value"}))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(after(time.Duration(*n))))
			return
		}
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	default:
		t.Fatalf("the suite cannot fill a %s", v.Type())
	}
}
