package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// words returns values as the words that a flag takes.
func words[S ~string](values ...S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// choose returns the one of values that s is, in any case.
func choose(s string, values []string) (string, error) {
	for _, v := range values {
		if strings.EqualFold(s, v) {
			return v, nil
		}
	}
	return "", issuance.Invalidf("", fmt.Sprintf("%q is none of them", s), "choose one of "+strings.Join(values, ", "))
}

// oneOf returns a reader of a flag that takes one of values.
func oneOf[S ~string](values ...S) func(string) (string, error) {
	return func(s string) (string, error) { return choose(s, words(values...)) }
}

// complete has shells offer values for a flag.
func complete(c *cobra.Command, flag string, values ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}
