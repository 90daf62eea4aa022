package main

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// lines returns a reader that takes each line with words for a text.
func lines(kind string) func(string, []byte) ([]text, error) {
	return func(_ string, content []byte) ([]text, error) {
		var found []text
		for i, l := range strings.Split(string(content), "\n") {
			if words(l) {
				found = append(found, text{Line: i + 1, Kind: kind, Text: strings.TrimSpace(l)})
			}
		}
		return found, nil
	}
}

// readOpenAPI returns titles, summaries and descriptions. JSON is read as YAML,
// which knows lines.
func readOpenAPI(_ string, content []byte) ([]text, error) {
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(content)).Decode(&doc); err != nil {
		return nil, err
	}
	var found []text
	described(&doc, &found)
	return found, nil
}

func described(n *yaml.Node, found *[]text) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind == yaml.ScalarNode {
			switch key := n.Content[i-1].Value; key {
			case "title", "summary", "description":
				*found = append(*found, text{Line: c.Line, Kind: key, Text: strings.Join(strings.Fields(c.Value), " ")})
			}
		}
		described(c, found)
	}
}
