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

// usageError is a command that was not called as it should be.
type usageError struct {
	message string
	command string
}

func (e *usageError) Error() string { return e.message }

// Usagef returns an error that ends the program with StatusUsage and points to
// the help of c.
func Usagef(c *cobra.Command, format string, a ...any) error {
	return &usageError{fmt.Sprintf(format, a...), c.CommandPath()}
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
		hint = "`" + u.command + " --help` tells how it is called"
	} else if e, ok := errors.AsType[*issuance.Error](err); ok {
		hint = e.Hint
		if e.Left > 0 {
			message += fmt.Sprintf(" (%d tries left)", e.Left)
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
