package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// register answers about one contact and its certificates.
type register struct {
	mu       sync.Mutex
	active   []string // serial numbers
	revoked  []string
	disabled func(*register) // called when the contact is disabled
	revoking func()          // called before a certificate is revoked
}

func (f *register) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	serial, revokes := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/certificates/"), "/revoke")
	if revokes && f.revoking != nil {
		f.revoking()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case revokes:
		f.revoked = append(f.revoked, serial)
		io.WriteString(w, strings.ReplaceAll(aCertificate, serialOf(0), serial))
	case r.URL.Path == "/api/v1/contacts/con-1/disable":
		f.disabled(f)
		io.WriteString(w, aContact)
	case r.URL.Path == "/api/v1/contacts/con-1":
		io.WriteString(w, aContact)
	case r.URL.Path == "/api/v1/certificates" && r.URL.Query().Get("status") == "active":
		var items []json.RawMessage
		for _, s := range f.active {
			standing := strings.Replace(aCertificate, `"expired":true`, `"expired":false`, 1)
			items = append(items, json.RawMessage(strings.ReplaceAll(standing, serialOf(0), s)))
		}
		json.NewEncoder(w).Encode(map[string]any{"items": items, "next": ""})
	default:
		io.WriteString(w, `{"items":[],"next":""}`)
	}
}

// serialOf returns a serial number; the first is that of aCertificate.
func serialOf(i int) string { return serial[:len(serial)-2] + fmt.Sprintf("%02x", 0x12+i) }

func (f *register) run(t *testing.T, ctx context.Context, args ...string) result {
	t.Helper()
	server := httptest.NewServer(f)
	defer server.Close()
	var out, errs bytes.Buffer
	status := cli.Run(ctx, cli.Options{
		Args: args, Environ: []string{"POSTERN_SERVER=" + server.URL, "POSTERN_TOKEN=pst_secret"}, In: strings.NewReader(""), Out: &out, Err: &errs,
	})
	return result{status, out.String(), errs.String()}
}

// TestDisablingMissesNoCertificate has one issued while the contact is being disabled.
func TestDisablingMissesNoCertificate(t *testing.T) {
	issue := func(f *register) { f.active = append(f.active, serialOf(1)) }
	f := &register{active: []string{serialOf(0)}, disabled: issue}
	got := f.run(t, t.Context(), "contact", "disable", "con-1", "--revoke", "affiliationChanged", "--yes")
	if got.status != 0 || len(f.revoked) != 2 || !strings.Contains(got.out, "revoked 2 certificates") || !strings.Contains(got.err, "Issued meanwhile:") {
		t.Errorf("revoked %v; got %+v", f.revoked, got)
	}
	f = &register{disabled: issue}
	got = f.run(t, t.Context(), "contact", "disable", "con-1", "--yes")
	if got.status != 0 || len(f.revoked) != 0 || !strings.Contains(got.err, "1 certificate stays active; to revoke: ") {
		t.Errorf("without --revoke: revoked %v; got %+v", f.revoked, got)
	}
}

// TestAnInterruptedRevocationCountsWhatIsInFlight interrupts it while the server
// revokes.
func TestAnInterruptedRevocationCountsWhatIsInFlight(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	f := &register{}
	for i := range 40 {
		f.active = append(f.active, serialOf(i))
	}
	f.revoking = interrupt
	got := f.run(t, ctx, "cert", "revoke", "--contact", "con-1", "--reason", "superseded", "--yes")
	n := len(f.revoked)
	want := fmt.Sprintf("revoked %d certificate", n)
	if got.status != 1 || n == 0 || n == 40 || !strings.HasPrefix(got.out, want) || !strings.Contains(got.err, fmt.Sprintf("interrupted; %d certificates are left", 40-n)) {
		t.Errorf("the server revoked %d; got %+v", n, got)
	}
}
