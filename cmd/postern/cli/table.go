package cli

import (
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// table is a listing on a terminal.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes t with its columns aligned; the last one may be as long as it is.
func (t *table) print(w io.Writer) error {
	widths := make([]int, len(t.head))
	rows := append([][]string{t.head}, t.rows...)
	for _, row := range rows {
		for i, cell := range row {
			if row[i] = clean(cell); i < len(row)-1 {
				row[i] = clip(row[i], 48)
			}
			if row[i] == "" {
				row[i] = "-"
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sheet is one record on a terminal: a line for each field that has a value.
type sheet struct{ lines [][2]string }

func (s *sheet) add(name, value string) {
	if value != "" {
		s.lines = append(s.lines, [2]string{name, value})
	}
}

func (s *sheet) print(w io.Writer) error {
	width := 0
	for _, l := range s.lines {
		width = max(width, len(l[0]))
	}
	var b strings.Builder
	for _, l := range s.lines {
		b.WriteString(l[0] + strings.Repeat(" ", width-len(l[0])+2) + clean(l[1]) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// when writes a time as tables show it, "" for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
