package report

import (
	"strings"
	"unicode/utf8"

	"github.com/postern-ca/postern/issuance"
)

// Text returns the report as plain text with its columns aligned, for terminals and
// mails: it contains nothing that could harm a terminal.
func (r Report) Text() string {
	var b strings.Builder
	line := func(s string) { b.WriteString(strings.TrimRight(s, " ") + "\n") }
	line(r.Title())
	for _, s := range r.Scope() {
		line(s)
	}
	line("")
	line(r.Summary())
	for _, p := range r.Parts() {
		line("")
		title := strings.ToUpper(p.Title)
		line(title)
		line(strings.Repeat("=", utf8.RuneCountInString(title)))
		space := true // before what comes next
		for _, s := range p.Sections {
			if s.Line != "" {
				if !space {
					line("")
				}
				line(s.Line)
				space = true
				continue
			}
			line("")
			line(s.Title)
			for _, row := range aligned(s) {
				line("  " + row)
			}
			for _, after := range s.After {
				line("  " + after)
			}
			space = false
		}
	}
	return b.String()
}

// aligned returns s's head and rows with their columns below each other.
func aligned(s issuance.DocumentSection) []string {
	rows := append([][]string{s.Head}, s.Rows...)
	widths := make([]int, len(s.Head))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	out := make([]string, len(rows))
	for n, row := range rows {
		for i, cell := range row {
			out[n] += cell
			if i < len(row)-1 {
				out[n] += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
			}
		}
	}
	return out
}
