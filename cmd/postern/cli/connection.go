package cli

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// DefaultServer is the default address of the admin API.
const DefaultServer = "https://127.0.0.1:9443"

// connection is how the commands of staff reach the server.
type connection struct {
	options   Options
	server    string
	token     string
	tokenFile string
	ca        string
	json      bool
}

func (n *connection) addFlags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&n.server, "server", "", "address of the admin API (POSTERN_SERVER, default "+DefaultServer+")")
	f.StringVar(&n.token, "token", "",
		"bearer token; other users can see it in the process list: prefer POSTERN_TOKEN or --token-file")
	f.StringVar(&n.tokenFile, "token-file", "", "file with the bearer token (POSTERN_TOKEN_FILE)")
	f.StringVar(&n.ca, "ca", "", "PEM file of the root that the server's certificate comes from (POSTERN_CA)")
	f.BoolVar(&n.json, "json", false, "print JSON")
}

// client returns a client for the server named by the flags or, without them, by the
// environment.
func (n *connection) client() (*client, error) {
	o := n.options
	base, err := serverURL(first(n.server, o.variable("POSTERN_SERVER"), DefaultServer))
	if err != nil {
		return nil, err
	}
	token, err := n.bearer()
	if err != nil {
		return nil, err
	}
	roots, err := rootsIn(first(n.ca, o.variable("POSTERN_CA")))
	if err != nil {
		return nil, err
	}
	return &client{base: base, token: token, http: o.transport(roots)}, nil
}

// serverURL reads the address of a server; a token goes there over TLS, or
// stays on this machine.
func serverURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" {
		return nil, issuance.Invalidf("server", "is not the address of a server", "write it like "+DefaultServer)
	}
	if u.Scheme == "http" && !issuance.IsLoopback(u.Hostname()) {
		return nil, issuance.Invalidf("server", "is plain http on another machine: the token would be sent unencrypted", "use https")
	}
	return u, nil
}

// bearer returns the token: a flag overrides the environment.
func (n *connection) bearer() (issuance.Secret, error) {
	o := n.options
	token := n.token
	if token == "" && n.tokenFile == "" {
		token = o.variable("POSTERN_TOKEN")
	}
	if file := first(n.tokenFile, o.variable("POSTERN_TOKEN_FILE")); token == "" && file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return issuance.Secret{}, fmt.Errorf("reading the token: %w", err)
		}
		token = string(text)
	}
	token = strings.TrimSpace(token)
	switch {
	case token == "":
		return issuance.Secret{}, issuance.Invalidf("token", "is missing",
			"set POSTERN_TOKEN or POSTERN_TOKEN_FILE, or give --token-file; an administrator creates one with "+
				"`postern token add`")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return issuance.Secret{}, issuance.Invalidf("token", "contains characters that are not part of a token",
			"copy the whole token again, and nothing else")
	}
	return issuance.NewSecret([]byte(token)), nil
}

// rootsIn returns the certificates in a PEM file, nil for no file.
func rootsIn(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the root certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, issuance.Invalidf("ca", "there is no certificate in "+file, "use a PEM file: -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// print writes a record: as the JSON that the server sent, or with show.
func (n *connection) print(c *cobra.Command, raw json.RawMessage, show func(io.Writer) error) error {
	if !n.json {
		return show(c.OutOrStdout())
	}
	return printJSON(c.OutOrStdout(), raw)
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err = io.WriteString(w, cleanJSON(string(text))+"\n")
	return err
}
