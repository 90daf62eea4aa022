package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// printCSV writes items as CSV (RFC 4180): a line of column names, then one line
// for each record. Columns are fields of the API's records by the same names, with
// a dot for a field of a field and times in RFC 3339.
func printCSV(w io.Writer, columns []string, items []json.RawMessage) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(columns); err != nil {
		return err
	}
	for _, raw := range items {
		var record map[string]any
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		if err := d.Decode(&record); err != nil {
			return fmt.Errorf("reading a record: %w", err)
		}
		cells := make([]string, len(columns))
		for i, column := range columns {
			cells[i] = harmlessCell(cell(record, column))
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// cell returns the text of the field that column names, "" if there is none.
func cell(record map[string]any, column string) string {
	name, rest, deeper := strings.Cut(column, ".")
	switch v := record[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case map[string]any:
		if deeper {
			return cell(v, rest)
		}
		text, err := json.Marshal(v)
		if err == nil {
			return string(text)
		}
	}
	return ""
}

// harmlessCell returns s with an apostrophe before it if a spreadsheet would take it
// for a formula, and with what a terminal could stumble on spelled out. Phone
// numbers, which begin with a plus sign, and other numbers stay as they are.
func harmlessCell(s string) string {
	lines := strings.Split(s, "\n") // CSV may have line breaks in its cells
	for i, line := range lines {
		lines[i] = clean(line)
	}
	s = strings.Join(lines, "\n")
	if s == "" || !strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", []rune(s)[0]) {
		return s
	}
	if digits := strings.TrimLeft(s[:1], "+-") + s[1:]; digits != "" && strings.Trim(digits, "0123456789") == "" {
		return s
	}
	return "'" + s
}
