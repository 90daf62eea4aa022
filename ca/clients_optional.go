package ca

import (
	"crypto/tls"

	"github.com/postern-ca/postern/issuance"
)

// OptionalTLSConfig is [Clients.TLSConfig] for a listener that also serves clients
// without a certificate, which come for their first one. A client may present no
// certificate, or one whose only fault is that it has expired; with any other
// invalid certificate, the handshake fails. The caller must call [Clients.Check] at
// each request that needs a certificate; it refuses both of these.
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
