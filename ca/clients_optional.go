package ca

import (
	"crypto/tls"

	"github.com/postern-ca/postern/issuance"
)

// OptionalTLSConfig is [Clients.TLSConfig] for a listener some of whose requests
// need no certificate: those of clients that come for their first one. A client
// may come with none, or with one that would stand if it had not expired; any
// other that does not stand ends the handshake. The caller must [Clients.Check]
// the certificate at each request that needs one, which refuses these two.
func (c *Clients) OptionalTLSConfig(base *tls.Config) *tls.Config {
	config := c.TLSConfig(base)
	config.ClientAuth = tls.RequestClientCert
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return nil
		}
		known, err := c.connection(state)
		if issuance.CodeOf(err) == CodeExpired {
			return nil // a request hears the reason, which an alert of TLS cannot tell, and counts
		}
		c.refused(known, err)
		return err
	}
	return config
}
