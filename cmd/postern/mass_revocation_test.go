package main_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/issuance"
)

// many gives a contact n certificates more.
func (h *adminHouse) many(contact, order string, n int) {
	h.t.Helper()
	for from := 0; from < n; from += 1000 {
		h.ok(h.store.Update(h.t.Context(), func(tx issuance.Tx) error {
			for i := from; i < min(from+1000, n); i++ {
				at := h.now().Add(-time.Duration(i) * time.Second)
				if err := tx.PutCertificate(issuance.Certificate{
					Serial: issuance.NewSerial(), Status: issuance.Active, Order: issuance.OrderID(order), Organization: "acme", Service: "acme.payments",
					Contact: issuance.ContactID(contact), Issuer: h.issuer(), IssuedAt: at, NotBefore: at, NotAfter: at.AddDate(2, 0, 0), DER: make([]byte, 900),
				}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func (h *adminHouse) issuer() string {
	id, _ := h.authority.Issuer()
	return id
}

// command runs the command line against server as an officer.
func (h *adminHouse) command(ctx context.Context, server string, args ...string) (status int, out, errs string) {
	var stdout, stderr bytes.Buffer
	status = cli.Run(ctx, cli.Options{
		Args: args, Environ: []string{"POSTERN_SERVER=" + server, "POSTERN_TOKEN=" + h.tokens[issuance.RoleOfficer]},
		In: strings.NewReader(""), Out: &stdout, Err: &stderr,
	})
	return status, stdout.String(), stderr.String()
}

// TestMassRevocationGoesOn interrupts the revocation of many certificates: none is
// lost and none is done twice when the same command is run again.
func TestMassRevocationGoesOn(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, order, _ := h.issued()
	const n = 1500 // and the one that was issued: more than one part of a list
	h.many(contact, order, n)
	ctx, interrupt := context.WithCancel(t.Context())
	var revoked atomic.Int64
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.api.ServeHTTP(w, r)
		if strings.HasSuffix(r.URL.Path, "/revoke") && revoked.Add(1) == 200 {
			interrupt()
		}
	})
	server := httptest.NewServer(serve)
	command := []string{"cert", "revoke", "--contact", "ada@acme.example", "--reason", "affiliationChanged", "--yes"}
	status, out, errs := h.command(ctx, server.URL, command...)
	if status != 1 || !strings.Contains(errs, "interrupted") || !strings.Contains(errs, "are left") || !strings.Contains(errs, "run the same command again") {
		t.Fatalf("interrupted: status %d, %s%s", status, out, errs)
	}
	server.Close() // waits for what it was still doing
	server = httptest.NewServer(serve)
	defer server.Close()
	var left int
	var all []issuance.Certificate
	h.ok(h.store.View(t.Context(), func(tx issuance.Snapshot) error {
		for _, status := range []issuance.Status{issuance.Active, issuance.Revoked} {
			page := issuance.Page{Limit: issuance.MaxPage}
			for {
				part, next, err := tx.Certificates(issuance.CertificateQuery{Contact: issuance.ContactID(contact), Status: status, Page: page})
				if err != nil {
					return err
				}
				if status == issuance.Active {
					left += len(part)
				}
				if all = append(all, part...); next == "" {
					break
				}
				page.After = next
			}
		}
		return nil
	}))
	if left == 0 || left >= n || len(all) != n+1 {
		t.Fatalf("after the interruption %d of %d are active", left, len(all))
	}
	status, out, errs = h.command(t.Context(), server.URL, command...)
	if want := fmt.Sprintf("revoked %d certificates; 0 revoked before\n", left); status != 0 || out != want {
		t.Errorf("again: status %d, %q, want %q; %s", status, out, want, errs)
	}
	status, out, errs = h.command(t.Context(), server.URL, command...)
	if status != 0 || !strings.HasPrefix(out, "revoked 0 certificates") {
		t.Errorf("a third time: status %d, %s%s", status, out, errs)
	}
	if got := revoked.Load(); got < n+1 || got > n+1+8 {
		t.Errorf("%d requests revoked %d certificates", got, n+1)
	}
}
