package main_test

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

// TestReportsArrive: the daily and the monthly report go through a real mail
// server, once each, and say what the registrar says.
func TestReportsArrive(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	berlin, err := report.ParseZone("Europe/Berlin")
	p.must(err)
	p.reports.Schedule = report.Schedule{Zone: berlin, Daily: report.Time{Hour: 7}, Monthly: report.Time{Day: 1, Hour: 7, Minute: 30}, To: []string{"duty@bank.example"}}
	p.clock.Store(time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC).UnixNano())
	p.must(p.reports.Queue(t.Context()))
	p.clock.Store(time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC).UnixNano())
	o := p.invite(1, "+41791234501")
	p.until("the messages to be accepted", p.nothingPending)
	invitation := p.mail.Next()
	p.clock.Store(time.Date(2026, 12, 1, 6, 45, 0, 0, time.UTC).UnixNano())
	for range 3 {
		p.must(p.reports.Queue(t.Context()))
	}
	p.until("the reports to be accepted", p.nothingPending)
	var subjects []string
	for range 2 {
		subject, text, page := readReport(t, p.mail.Next().Data)
		subjects = append(subjects, subject)
		if want := "1 requested, 1 approved"; !strings.Contains(text, want) || !strings.Contains(page, want) {
			t.Errorf("%s: the mail has no %q:\n%s\n%s", subject, want, text, page)
		}
		if strings.HasPrefix(subject, "Daily") && !strings.Contains(text, string(o.ID)) {
			t.Errorf("the mail does not name order %s:\n%s", o.ID, text)
		}
		link := linkIn(string(invitation.Data))
		if link == "" || strings.Contains(text+page, link) || strings.Contains(text+page, "/c/") || strings.Contains(text+page, "anna1@") {
			t.Errorf("%s has a link or an address of a contact:\n%s", subject, text)
		}
	}
	slices.Sort(subjects)
	if want := []string{"Daily report, Monday 30 November 2026: Nothing is urgent.", "Monthly report, November 2026: Nothing is urgent."}; !slices.Equal(subjects, want) {
		t.Errorf("subjects %q, want %q", subjects, want)
	}
	if got := len(p.notices(issuance.Accepted)); got != 4 {
		t.Errorf("%d messages went out, want invitation, code and two reports", got)
	}
}

// linkIn returns the last part of the contact's link in a mail.
func linkIn(text string) string {
	_, after, _ := strings.Cut(strings.ReplaceAll(text, "=\r\n", ""), "/c/")
	return after[:min(len(after), 20)]
}

// readReport returns the subject, the text and the HTML of a mail.
func readReport(t *testing.T, data []byte) (subject, text, page string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for in := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := in.NextPart()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, string(b))
	}
	if len(parts) != 2 {
		t.Fatalf("the mail has %d parts, want text and HTML", len(parts))
	}
	return subject, parts[0], parts[1]
}

// TestTheProgramKnowsTimeZones: a bare container has no database of its own.
func TestTheProgramKnowsTimeZones(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Fields(string(out)), "time/tzdata") {
		t.Error("the program has no time zones of its own: import time/tzdata")
	}
}
