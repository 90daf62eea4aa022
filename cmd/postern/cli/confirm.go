package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// question is what a person is asked before a destructive verb.
type question struct {
	about sheet  // the record, so that nobody has to decide by an id alone
	ask   string // as in "Revoke this certificate? This cannot be undone."
}

// confirm asks q and returns nil for a yes. The answer is read from standard input, a
// terminal or a pipe; without any input, as in some scripts, --yes is required: anything
// else would be a guess.
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
		message: "there is no terminal to ask for confirmation: use --yes", command: c.CommandPath(),
		hint: "use --yes to continue without a question; nothing was done",
	}
}

func sureFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVar(to, "yes", false, "do not ask for confirmation; required without a terminal")
}
