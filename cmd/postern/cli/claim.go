package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/postern-ca/postern/issuance"
)

// claim is a contact's claim from a terminal.
func claim(o Options) *cobra.Command {
	var q claimRequest
	c := &cobra.Command{
		Use: "claim [URL]", Short: "Claim a certificate on the machine where it will be used",
		Long: `Claims the certificate that the link in the e-mail is for: asks for the one-time
code from the SMS, and saves what it gets. Without URL it asks for the link too:
other users see a link on the command line in the list of processes.

The code goes to the host of the link alone, which is named before the code is asked
for. A link that a mail filter has rewritten (Safe Links, URL Defense and others) is
read as far as it shows where it leads; otherwise nothing is sent.

Without --csr and --new-key that is a PKCS#12 file; its password comes by SMS once
the file has arrived here. With either of them the private key never leaves this
machine, and what is saved is the certificate with its chain in PEM.

No file is ever replaced.`,
		Example: `  postern claim https://certs.example.com/c/...
  postern claim --new-key client.key https://certs.example.com/c/...`,
		Args: atMost(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := newSession(c, o, q, strings.Join(args, ""))
			if err != nil {
				return err
			}
			return s.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&q.out, "out", "", "file to write (default the name from the server)")
	f.StringVar(&q.target, "target", "",
		"where the PKCS#12 file will be opened: windows, windows-old, java, openssl, dotnet, apple, other")
	f.StringVar(&q.key, "key", "", "key algorithm: P-256, P-384, RSA-2048, RSA-3072, RSA-4096 or Ed25519 "+
		"(default what was ordered; P-256 with --new-key)")
	f.StringVar(&q.csr, "csr", "", "PEM file of a certificate signing request: only its public key is used")
	f.StringVar(&q.newKey, "new-key", "", "create a private key in this file, and claim a certificate for it")
	f.BoolVar(&q.sendCode, "send-code", false, "have a new one-time code sent first")
	f.StringVar(&q.ca, "ca", "", "PEM file of the root that the server's certificate comes from (POSTERN_CA)")
	complete(c, "target", words(issuance.Targets()...)...)
	complete(c, "key", words(issuance.KeyAlgorithms()...)...)
	c.MarkFlagsMutuallyExclusive("csr", "new-key")
	c.MarkFlagsMutuallyExclusive("csr", "target")
	c.MarkFlagsMutuallyExclusive("csr", "key")
	c.MarkFlagsMutuallyExclusive("new-key", "target")
	return c
}

// claimRequest is what the person at the terminal wants.
type claimRequest struct {
	out, target, key, csr, newKey, ca string
	sendCode                          bool
}

// session is one run of the claim.
type session struct {
	claimRequest
	link  *link
	files *files
	in    *bufio.Reader
	out   io.Writer
	err   io.Writer
	asks  bool // a person answers at a terminal
	tells bool // a person reads at a terminal
}

// newSession checks what can be checked before the server is asked.
func newSession(c *cobra.Command, o Options, q claimRequest, address string) (*session, error) {
	if _, err := issuance.ParseTarget(q.target); err != nil {
		return nil, flagError(c, "target", err)
	}
	if _, err := issuance.ParseKeyAlgorithm(q.key); err != nil {
		return nil, flagError(c, "key", err)
	}
	s := &session{claimRequest: q, in: bufio.NewReader(c.InOrStdin()), out: c.OutOrStdout(), err: c.ErrOrStderr()}
	s.asks, s.tells = isTerminal(c.InOrStdin()), isTerminal(s.err)
	if address == "" {
		var err error
		if address, err = s.ask("Link from the e-mail: "); err != nil {
			return nil, fmt.Errorf("reading the link: %w", err)
		}
	}
	roots, err := rootsIn(first(q.ca, o.variable("POSTERN_CA")))
	if err != nil {
		return nil, err
	}
	if s.link, err = newLink(address, o.transport(roots)); err != nil {
		return nil, err
	}
	if len(s.link.filters) > 0 {
		say(s.err, "The link was rewritten by %s. It leads to %s.", strings.Join(s.link.filters, " and "), s.link.base.Host)
	}
	return s, nil
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ask prints a question, only on a terminal, and returns the next line.
func (s *session) ask(question string) (string, error) {
	if s.asks {
		fmt.Fprint(s.err, question) //nolint:errcheck // the answer tells
	}
	line, err := s.in.ReadString('\n')
	if line = strings.TrimSpace(line); line != "" {
		return line, nil
	}
	return "", err
}

// progress tells a person at a terminal how far the claim is.
func (s *session) progress(format string, a ...any) {
	if s.tells {
		say(s.err, format, a...)
	}
}

// run claims. Its order matters: whatever can fail on this machine fails before the
// server creates anything, and a new key is on the disk before it is certified.
func (s *session) run(ctx context.Context) (err error) {
	// 1. A place to write to.
	if s.files, err = prepare(s.claimRequest); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.files.close()) }()
	// 2. The key, and what is sent of it.
	if err := s.files.makeRequest(s.claimRequest); err != nil {
		return err
	}
	// 3. The one-time code.
	if s.sendCode {
		if err := s.newCode(ctx); err != nil {
			return err
		}
	}
	// 4. Claim, and save what comes.
	got, err := s.claim(ctx)
	if err != nil {
		return err
	}
	name, err := s.files.save(got.name)
	if err != nil {
		return err
	}
	say(s.out, "%s", name)
	if s.files.request == nil {
		s.progress("The password that opens it comes by SMS. Delete the SMS once it is installed.")
	} else if s.newKey != "" {
		s.progress("Its private key is in %s and nowhere else.", s.newKey)
	}
	return nil
}

// newCode asks for a one-time code. If one was sent just now, or too many today, it says
// so and goes on, because there is a code to enter.
func (s *session) newCode(ctx context.Context) error {
	err := s.link.sendCode(ctx)
	if issuance.KindOf(err) == issuance.Limited {
		tell(s.err, err)
		return nil
	}
	if err == nil {
		s.progress("A one-time code is on its way by SMS.")
	}
	return err
}

// claim asks for the one-time code until the server takes it.
func (s *session) claim(ctx context.Context) (received, error) {
	for {
		code, err := s.ask("One-time code from the SMS, for " + clean(s.link.base.Host) + ": ")
		if errors.Is(err, io.EOF) {
			return received{}, issuance.Invalidf("code", "none was entered",
				"enter the one-time code from the SMS, or give it on standard input")
		} else if err != nil {
			return received{}, fmt.Errorf("reading the one-time code: %w", err)
		}
		if code == "" {
			continue
		}
		got, err := s.link.claim(ctx, s.fields(code), s.files, s.progress)
		if err == nil {
			return got, nil
		}
		if again, err := s.again(ctx, err); !again {
			return received{}, err
		}
	}
}

// fields are what is sent with the one-time code.
func (s *session) fields(code string) map[string]string {
	fields := map[string]string{"code": code}
	if s.files.request != nil {
		fields["csr"] = string(s.files.request)
		return fields
	}
	for name, value := range map[string]string{"target": s.target, "key": s.key} {
		if value != "" {
			fields[name] = value
		}
	}
	return fields
}

// again tells a person what was wrong with the code, and reports whether another can be
// entered. In a pipe, a wrong code ends the claim: the next line is not a better guess.
func (s *session) again(ctx context.Context, err error) (bool, error) {
	if !s.asks {
		return false, err
	}
	switch issuance.CodeOf(err) {
	case issuance.CodeWrongCode, issuance.CodeMalformed:
		tell(s.err, err)
		return true, nil
	case issuance.CodeExpired, issuance.CodeSpent, issuance.CodeNone:
		tell(s.err, err)
		answer, e := s.ask("Send a new one? [Y/n] ")
		if e != nil || strings.HasPrefix(strings.ToLower(answer), "n") {
			return false, err
		}
		return true, s.newCode(ctx)
	}
	return false, err
}
