package config

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Problem is one mistake: where it is, in which key, and what to do.
type Problem struct {
	Where   string // "postern.yaml:12", a variable, a flag; "" if the key is not set
	Key     string // as in sms.twilio.auth_token
	Message string // what is wrong
	Hint    string // what to do
}

func (p Problem) String() string {
	var parts []string
	for _, s := range []string{p.Where, p.Key} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(append(parts, p.Message), ": ") + "\n    " + p.Hint
}

// Error is everything that is wrong with a configuration.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// problems collects; a key is reported once.
type problems struct {
	found  []Problem
	seen   map[string]bool
	broken bool // the file is not YAML: whatever else is missing may well stand in it
}

func (p *problems) add(q Problem) {
	id := q.Key
	if id == "" {
		id = q.Where + q.Message
	}
	if p.seen[id] {
		return
	}
	if p.seen == nil {
		p.seen = make(map[string]bool)
	}
	p.seen[id] = true
	p.found = append(p.found, q)
}

// err returns what was found, in the order of the file's lines; behind it what has
// no line, in the order in which it was found.
func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	slices.SortStableFunc(p.found, func(a, b Problem) int { return cmp.Compare(a.line(), b.line()) })
	return &Error{p.found}
}

// line returns the line of the file that p is about; one behind them all if there
// is none.
func (p Problem) line() int {
	if n, err := strconv.Atoi(p.Where[strings.LastIndexByte(p.Where, ':')+1:]); err == nil {
		return n
	}
	return math.MaxInt
}
