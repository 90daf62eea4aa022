// Postern is a private certificate authority that gives each of an
// organisation's customers' client applications a certificate for two-way TLS:
// the link by e-mail, a one-time code by SMS, the file in a browser, and
// only then, by SMS, the password that opens it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a bare container knows no time zones

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// version is set when a release is linked.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run does what args say and returns the exit status.
func run(ctx context.Context, args []string) int {
	return cli.Run(ctx, cli.Options{
		Args: args, Environ: os.Environ(), In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Version: version,
		Commands: commands(),
	})
}

// commands are those that run or prepare the server; package cli has the others.
func commands() []*cobra.Command {
	return []*cobra.Command{quickstartCommand(), demoCommand(), initCommand(), serveCommand(), configCommand(), restoreCommand()}
}
