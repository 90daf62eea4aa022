package auth

import (
	"net/http"
	"strconv"
	"strings"
)

// Format is how a proxy writes a client certificate into a header.
type Format string

// The formats, by the proxy that writes them.
const (
	Nginx   Format = "nginx"   // $ssl_client_escaped_cert: PEM, URL-encoded; some load balancers write all that the client has sent
	Envoy   Format = "envoy"   // x-forwarded-client-cert with Cert or Chain
	Traefik Format = "traefik" // passTLSClientCert with pem: base64 of DER, commas in between
	Caddy   Format = "caddy"   // {http.request.tls.client.certificate_der_base64}
	HAProxy Format = "haproxy" // %[ssl_c_der,base64]
	RFC9440 Format = "rfc9440" // Client-Cert, Client-Cert-Chain
)

// Formats returns all of them.
func Formats() []Format { return []Format{Nginx, Envoy, Traefik, Caddy, HAProxy, RFC9440} }

// Header returns the header that is usual for f, "" if there is no such format.
func (f Format) Header() string {
	switch f {
	case Nginx, Caddy, HAProxy:
		return "X-Ssl-Client-Cert"
	case Envoy:
		return "X-Forwarded-Client-Cert"
	case Traefik:
		return "X-Forwarded-Tls-Client-Cert"
	case RFC9440:
		return "Client-Cert"
	}
	return ""
}

// chainHeader has the certificates above the client's own (RFC 9440, section 2.3).
const chainHeader = "Client-Cert-Chain"

// The most that is read: bytes of the headers with certificates, and
// certificates in them.
const (
	maxHeader       = 16 << 10
	maxCertificates = 8
)

// presented is what a proxy says that its client has shown, in DER; without a
// leaf the client has shown nothing.
type presented struct {
	leaf  []byte
	above [][]byte
}

// presented reads the caller's header in the caller's format. Every other header
// is somebody else's, and is not looked at.
func (c *Caller) presented(h http.Header) (presented, error) {
	values := h.Values(c.Header)
	if len(values) > 1 {
		return presented{}, denied(CodeAmbiguous, "the header with the client certificate was sent more than once", hintProxy)
	}
	value := ""
	if len(values) == 1 {
		value = strings.TrimSpace(values[0])
	}
	var chain string
	if c.Format == RFC9440 {
		chain = strings.Join(h.Values(chainHeader), ",")
	}
	if len(value)+len(chain) > maxHeader {
		return presented{}, denied(CodeTooLong,
			"the header with the client certificate is longer than "+strconv.Itoa(maxHeader)+" bytes", hintProxy)
	}
	if value == "" || c.Format == Caddy && unknownToCaddy(value) {
		if chain != "" {
			return presented{}, errMalformed(chainHeader + " without Client-Cert") // RFC 9440, section 2.3
		}
		return presented{}, nil
	}
	all, err := c.Format.decode(value, chain)
	if err != nil {
		return presented{}, err
	}
	if len(all) > maxCertificates {
		return presented{}, denied(CodeTooLong, "the header has more than "+strconv.Itoa(maxCertificates)+" certificates", hintProxy)
	}
	return presented{all[0], all[1:]}, nil
}

// unknownToCaddy reports whether value is a placeholder that Caddy left as it is:
// it does so where its client has no certificate.
func unknownToCaddy(value string) bool {
	return strings.HasPrefix(value, "{http.request.tls.client.") && strings.IndexByte(value, '}') == len(value)-1
}

// decode returns the certificates in value, at least one, the client's first.
func (f Format) decode(value, chain string) ([][]byte, error) {
	switch f {
	case Nginx:
		return fromEscapedPEM(value)
	case Caddy, HAProxy:
		der, err := fromBase64(value)
		return [][]byte{der}, err
	case Traefik:
		return fromTraefik(value)
	case Envoy:
		return fromXFCC(value)
	default:
		return fromClientCert(value, chain)
	}
}
