package issuance

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files that are made from code")

// The marks in the README between which the diagram stands.
const (
	diagramBegin = "<!-- moves: begin -->\n"
	diagramEnd   = "<!-- moves: end -->\n"
)

// TestDiagram holds the README's diagram of an order's life against the table of
// moves; with -update it writes it.
func TestDiagram(t *testing.T) {
	const path = "../README.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), diagramBegin)
	old, after, ok2 := strings.Cut(rest, diagramEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no marks for the diagram", path)
	}
	got := diagram()
	if old == got {
		return
	}
	if !*update {
		t.Fatalf("the diagram in %s is not the table of moves; run `make docs`. It should be:\n%s", path, got)
	}
	if err := os.WriteFile(path, []byte(before+diagramBegin+got+diagramEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// diagram draws the table of moves in Mermaid, without the moves that change nothing
// anybody outside sees.
func diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n")
	labels := map[string][]string{}
	var edges []string
	for _, m := range moves {
		if m.From == m.To && m.Verb != ResendVerb && m.Verb != CodeVerb {
			continue
		}
		from := string(m.From)
		if from == "" {
			from = "[*]"
		}
		edge := from + " --> " + string(m.To)
		if labels[edge] == nil {
			edges = append(edges, edge)
		}
		labels[edge] = append(labels[edge], string(m.Verb))
	}
	for _, e := range edges {
		fmt.Fprintf(&b, "    %s: %s\n", e, strings.Join(labels[e], ", "))
	}
	for _, s := range OrderStates() {
		if !leaves(s) {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// leaves reports whether a verb leads from s to another state.
func leaves(s OrderState) bool {
	for _, m := range moves {
		if m.From == s && m.To != s {
			return true
		}
	}
	return false
}
