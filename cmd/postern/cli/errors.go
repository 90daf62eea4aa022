package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// usageError is wrong usage of a command.
type usageError struct {
	message string
	command string
	hint    string // "" for where the help is
}

func (e *usageError) Error() string { return e.message }

// Usagef returns an error that ends the program with StatusUsage and points to
// the help of c.
func Usagef(c *cobra.Command, format string, a ...any) error {
	return &usageError{message: fmt.Sprintf(format, a...), command: c.CommandPath()}
}

// flagError is Usagef for a flag's value that was refused with err.
func flagError(c *cobra.Command, flag string, err error) error {
	message, hint := err.Error(), ""
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		message, hint = e.Message, advice(e)
	}
	return &usageError{message: "--" + flag + ": " + message, command: c.CommandPath(), hint: hint}
}

func statusOf(err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return StatusUsage
	}
	return StatusFailed
}

// tell prints what happened, then what to do.
func tell(w io.Writer, err error) {
	message, hint := err.Error(), ""
	if u, ok := errors.AsType[*usageError](err); ok {
		hint = first(u.hint, "`"+u.command+" --help` shows the usage")
	} else if e, ok := errors.AsType[*issuance.Error](err); ok {
		hint = advice(e)
		if e.Left > 0 {
			message += " (" + e.TriesLeft() + ")"
		}
	} else if errors.Is(err, context.Canceled) {
		message = "interrupted"
	}
	for line := range strings.SplitSeq("postern: "+strings.TrimRight(message, "\n"), "\n") {
		say(w, "%s", line)
	}
	if hint != "" {
		say(w, "  %s", hint)
	}
}
