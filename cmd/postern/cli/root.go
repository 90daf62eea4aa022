package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit statuses of every command.
const (
	StatusDone   = 0
	StatusFailed = 1
	StatusUsage  = 2
)

// Options is what the commands need from the process.
type Options struct {
	Args     []string // without the program's name
	Environ  []string // as os.Environ returns it
	In       io.Reader
	Out, Err io.Writer
	Version  string           // of a release; "" for what the build knows
	Commands []*cobra.Command // those of the server
}

// variable returns the value of an environment variable, "" if it is not set.
func (o Options) variable(name string) string {
	value := ""
	for _, pair := range o.Environ {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			value = v
		}
	}
	return value
}

// commands returns every command of the package.
func commands(o Options) []*cobra.Command {
	api := &connection{options: o}
	staff := []*cobra.Command{
		organizations(api), contacts(api), proposals(api), services(api), orders(api),
		find(api), certificates(api), messages(api), tokens(api), audit(api), reports(api), clock(api), backups(api),
	}
	for _, c := range staff {
		api.addFlags(c)
		c.GroupID = staffGroup
	}
	return append(staff, claim(o), crlSync(o), version(o), health(o))
}

const (
	staffGroup  = "staff"
	serverGroup = "server"
)

// Root returns the command postern with all others below it.
func Root(o Options) *cobra.Command {
	root := &cobra.Command{
		Use:   "postern",
		Short: "A private authority for client certificates",
		Long: `Postern gives each of your customers' client applications a certificate, safely,
and revokes it at once.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Version:       versionLine(o),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("postern {{.Version}}\n")
	root.SetArgs(o.Args)
	root.SetIn(o.In)
	root.SetOut(o.Out)
	root.SetErr(o.Err)
	root.AddGroup(&cobra.Group{ID: serverGroup, Title: "The server:"},
		&cobra.Group{ID: staffGroup, Title: "Daily work (these talk to a running server):"})
	for _, c := range o.Commands {
		c.GroupID = serverGroup
	}
	root.AddCommand(o.Commands...)
	root.AddCommand(commands(o)...)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return Usagef(c, "%v", err) })
	strict(root)
	return root
}

// strict makes wrong arguments a usage error everywhere, and makes a command that only
// has subcommands refuse anything else.
func strict(c *cobra.Command) {
	c.SuggestionsMinimumDistance = 2
	if !c.Runnable() {
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(c *cobra.Command, args []string) error {
			if err := unknown(c, args); err != nil {
				return err
			}
			return c.Help()
		}
	} else {
		check := c.Args
		c.Args = func(c *cobra.Command, args []string) error {
			err := cmp.Or(missing(c), c.ValidateFlagGroups())
			if err == nil && check != nil {
				err = check(c, args)
			}
			if err != nil {
				return Usagef(c, "%v", err)
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

// unknown returns an error if args, what was given to c beyond its name, begin with a
// command that c does not have.
func unknown(c *cobra.Command, args []string) error {
	if !c.HasSubCommands() || len(args) == 0 {
		return nil
	}
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return Usagef(c, "there is no command %q; did you mean %s?", args[0], near[0])
	}
	return Usagef(c, "there is no command %q", args[0])
}

// helpful keeps root from showing help for a command that does not exist, whether it was
// asked for with --help or with the command help. The error is stored where the returned
// pointer points.
func helpful(root *cobra.Command) *error {
	wrong, show := new(error), root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if *wrong = unknown(c, c.Flags().Args()); *wrong == nil {
			show(c, args)
		}
	})
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil && help != root {
		help.Run = nil
		help.RunE = func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err = cmp.Or(err, unknown(about, rest)); err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		}
	}
	return wrong
}

// missing returns an error that names the first required flag that was not given.
func missing(c *cobra.Command) (err error) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if _, required := f.Annotations[cobra.BashCompOneRequiredFlag]; required && !f.Changed && err == nil {
			err = fmt.Errorf("--%s is missing", f.Name)
		}
	})
	return err
}

// Run does what o.Args say and returns the exit status. An error is told on
// o.Err: what happened, then what to do.
func Run(ctx context.Context, o Options) int {
	root := Root(o)
	wrong := helpful(root)
	err := cmp.Or(root.ExecuteContext(ctx), *wrong)
	if err == nil {
		return StatusDone
	}
	tell(o.Err, err)
	return statusOf(err)
}

// args returns a check for exactly the arguments in names.
func args(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, given []string) error {
		switch {
		case len(given) < len(names):
			return fmt.Errorf("%s is missing", names[len(given)])
		case len(given) > len(names):
			return fmt.Errorf("%q is an extra argument", given[len(names)])
		}
		return nil
	}
}

// atLeast returns a check for one argument or more, each what name says.
func atLeast(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if len(given) == 0 {
			return args(name)(c, given)
		}
		return nil
	}
}

// atMost returns a check for no more than n arguments.
func atMost(n int) cobra.PositionalArgs {
	return func(_ *cobra.Command, given []string) error {
		if len(given) > n {
			return fmt.Errorf("%q is an extra argument", given[n])
		}
		return nil
	}
}

// say prints one line for people.
func say(w io.Writer, format string, a ...any) {
	fmt.Fprintln(w, clean(fmt.Sprintf(format, a...))) //nolint:errcheck // nobody is left to be told
}
