package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// question is what a person is asked before a verb that takes something away.
type question struct {
	about sheet  // what it is done to, so that nobody has only an id to judge by
	ask   string // as in "Revoke this certificate? This cannot be undone."
}

// confirm asks q and returns nil for a yes. The answer is read from standard
// input, be it a terminal or a pipe; where there is none, as in a script without
// input, --yes must have said it: anything else would be a guess.
func confirm(c *cobra.Command, q question) error {
	if err := q.about.print(c.ErrOrStderr()); err != nil {
		return err
	}
	fmt.Fprint(c.ErrOrStderr(), clean(q.ask)+" [y/N] ") //nolint:errcheck // the answer tells
	line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	if !isTerminal(c.InOrStdin()) {
		say(c.ErrOrStderr(), "%s", answer) // a terminal shows what is typed itself
	}
	switch {
	case answer == "y" || answer == "yes":
		return nil
	case answer == "" && errors.Is(err, io.EOF) && !isTerminal(c.InOrStdin()):
		return nobodyAnswers(c)
	}
	return errors.New("nothing was done")
}

func nobodyAnswers(c *cobra.Command) error {
	return &usageError{
		message: "nobody answers here: --yes is needed", command: c.CommandPath(),
		hint: "give --yes to go on without being asked; nothing was done",
	}
}

func sureFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVar(to, "yes", false, "do not ask; needed where nobody can answer")
}
