package auth

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// SeenPath is where callers report uses that they saw themselves. It does not lie
// below [Path]: there, what a request asks for may be a proxy's client's.
const SeenPath = "/auth-seen"

// The bounds of one report.
const (
	MaxSeen     = 1000 // records
	maxSeenBody = MaxSeen * 512
)

// Report is the body of a request to SeenPath. The serial numbers are hexadecimal.
type Report struct {
	Uses []issuance.Usage `json:"uses"`
}

// takeSeen takes the report of a caller. It is answered with 202, which no proxy
// that asked by mistake takes for an answer about its client, and says what became
// of the records.
func (a *Auth) takeSeen(w http.ResponseWriter, r *http.Request) {
	server.Route(w, SeenPath)
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		a.problems.Write(w, r, &issuance.Error{
			Kind: issuance.Invalid, Code: server.CodeMethod,
			Message: "this address accepts only reports", Hint: "use POST, or ask " + Path,
		})
		return
	}
	if _, err := a.caller(r.Context(), r); err != nil {
		a.refuse(w, r, err)
		return
	}
	report, err := readSeen(w, r)
	if err != nil {
		a.problems.Write(w, r, err)
		return
	}
	possible, invalid := a.named(report.Uses)
	done, err := a.opts.Report(r.Context(), possible)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	done.Invalid += invalid
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(done) // the caller may be gone
}

// readSeen reads a body and refuses whatever it does not know.
func readSeen(w http.ResponseWriter, r *http.Request) (report Report, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return report, &issuance.Error{
			Kind: issuance.Invalid, Code: server.CodeMediaType, Message: "the report is not JSON",
			Hint: "send it as application/json",
		}
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSeenBody))
	d.DisallowUnknownFields()
	if err = d.Decode(&report); err == nil {
		if _, err = d.Token(); err == nil {
			err = errors.New("there is extra data after the report")
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		return report, err
	}
	if err != nil {
		return report, &issuance.Error{
			Kind: issuance.Invalid, Code: server.CodeSyntax,
			Message: "the report cannot be read: " + err.Error(),
			Hint:    `send {"uses": [...]}, as described in docs/web-services/auth.md`,
		}
	}
	if n := len(report.Uses); n == 0 || n > MaxSeen {
		return report, issuance.Invalidf("uses", "has no records, or more than a thousand", "send up to a thousand at a time")
	}
	return report, nil
}

// named returns the records whose serial number and code may be, the number as the
// register writes it.
func (a *Auth) named(all []issuance.Usage) (possible []issuance.Usage, invalid int) {
	for _, u := range all {
		serial, err := issuance.ParseSerial(string(u.Serial))
		if err != nil || u.RefusedCode != "" && !slices.Contains(a.opts.Refusals, u.RefusedCode) {
			invalid++
			continue
		}
		u.Serial = serial
		possible = append(possible, u)
	}
	return possible, invalid
}
