// Command messages prints every text of this repository that people read: one
// sorted list with file, line, kind and text, so that each can be read once. It
// is a tool for developers (make messages) and no part of what is shipped.
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	texts, err := read(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "messages:", err)
		os.Exit(1)
	}
	out := bufio.NewWriter(os.Stdout)
	for _, t := range texts {
		fmt.Fprintf(out, "%s:%d\t%s\t%s\n", t.File, t.Line, t.Kind, t.Text)
	}
	if err := out.Flush(); err != nil {
		os.Exit(1)
	}
}
