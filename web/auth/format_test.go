package auth

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// The fields of RFC 9440, appendix A, figures 2 and 3.
var (
	//go:embed testdata/rfc9440-client-cert.txt
	clientCert string
	//go:embed testdata/rfc9440-client-cert-chain.txt
	clientCertChain string
)

// example returns the RFC's chain in DER: the client's certificate, an
// intermediate CA's and the root's.
func example() (all [][]byte) {
	for _, s := range append([]string{clientCert}, strings.Split(clientCertChain, ",")...) {
		der, err := base64.StdEncoding.DecodeString(strings.Trim(s, ": \n"))
		if err != nil {
			panic(err)
		}
		all = append(all, der)
	}
	return all
}

func asPEM(ders ...[]byte) string {
	var b bytes.Buffer
	for _, der := range ders {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return b.String()
}

// What follows writes certificates as the proxies do.

// asNginx escapes all but the unreserved characters, as $ssl_client_escaped_cert has them.
func asNginx(ders ...[]byte) string {
	return strings.ReplaceAll(url.QueryEscape(asPEM(ders...)), "+", "%20")
}

// asLoadBalancer escapes as AWS's Application Load Balancer says it does: all but
// the characters of base64.
func asLoadBalancer(ders ...[]byte) string {
	return strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(asNginx(ders...))
}

// asEnvoy escapes the five characters that Envoy does.
func asEnvoy(ders ...[]byte) string {
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(asPEM(ders...))
}

func asBase64(der []byte) string { return base64.StdEncoding.EncodeToString(der) }

func asTraefik(ders ...[]byte) string {
	var parts []string
	for _, der := range ders {
		parts = append(parts, asBase64(der))
	}
	return strings.Join(parts, ",")
}

func hashOf(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// xfcc is what Envoy sends with all details on.
func xfcc(der []byte) string {
	return `By=spiffe://example.com/ns/web/sa/edge;Hash=` + hashOf(der) + `;Cert="` + asEnvoy(der) + `";Subject="CN=\"pay\\ments\";x=1,O=Acme, Inc.";URI=spiffe://example.com/org/acme/service/payments;DNS=a.example;DNS=b.example`
}

func headers(pairs ...string) http.Header {
	h := make(http.Header)
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestEveryFormat(t *testing.T) {
	all := example()
	leaf := all[0]
	for _, tt := range []struct {
		name   string
		format Format
		header http.Header
		above  int
	}{
		{"nginx", Nginx, headers("X-SSL-Client-Cert", asNginx(leaf)), 0},
		{"nginx, without a line break at the end", Nginx, headers("X-SSL-Client-Cert", strings.TrimSuffix(asNginx(leaf), "%0A")), 0},
		{"a load balancer that passes the chain on", Nginx, headers("X-SSL-Client-Cert", asLoadBalancer(all...)), 2},
		{"Envoy, certificate", Envoy, headers("x-forwarded-client-cert", xfcc(leaf)), 0},
		{"Envoy, certificate alone", Envoy, headers("x-forwarded-client-cert", `Cert="`+asEnvoy(leaf)+`"`), 0},
		{"Envoy, chain alone", Envoy, headers("x-forwarded-client-cert", `Hash=`+hashOf(leaf)+`;Chain="`+asEnvoy(all...)+`"`), 2},
		{"Envoy, both", Envoy, headers("x-forwarded-client-cert", xfcc(leaf)+`;Chain="`+asEnvoy(all[:2]...)+`"`), 1},
		{"Envoy, keys in another case", Envoy, headers("x-forwarded-client-cert", `hash=`+strings.ToUpper(hashOf(leaf))+`;cert="`+asEnvoy(leaf)+`"`), 0},
		{"Traefik", Traefik, headers("X-Forwarded-Tls-Client-Cert", asTraefik(leaf)), 0},
		{"Traefik, chain", Traefik, headers("X-Forwarded-Tls-Client-Cert", asTraefik(all...)), 2},
		{"Traefik 2.8", Traefik, headers("X-Forwarded-Tls-Client-Cert", url.QueryEscape(asTraefik(leaf))), 0},
		{"Traefik 2.8, chain", Traefik, headers("X-Forwarded-Tls-Client-Cert", url.QueryEscape(asTraefik(all...))), 2},
		{"Caddy", Caddy, headers("X-SSL-Client-Cert", asBase64(leaf)), 0},
		{"HAProxy", HAProxy, headers("X-SSL-Client-Cert", asBase64(leaf)), 0},
		{"RFC 9440", RFC9440, headers("Client-Cert", strings.TrimSpace(clientCert)), 0},
		{"RFC 9440, chain", RFC9440, headers("Client-Cert", strings.TrimSpace(clientCert), "Client-Cert-Chain", strings.TrimSpace(clientCertChain)), 2},
		{"RFC 9440, chain in two lines", RFC9440, headers("Client-Cert", ":"+asBase64(leaf)+":", "Client-Cert-Chain", ":"+asBase64(all[1])+":", "Client-Cert-Chain", ":"+asBase64(all[2])+":"), 2},
		{"in the company of all others", HAProxy, headers("X-SSL-Client-Cert", asBase64(leaf), "Client-Cert", "x", "X-Forwarded-Client-Cert", "x", "X-Forwarded-Tls-Client-Cert", "x", "Ssl-Client-Cert", "x"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Caller{Format: tt.format, Header: tt.format.Header()}
			got, err := c.presented(tt.header)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.leaf, leaf) || len(got.above) != tt.above {
				t.Errorf("got %d bytes and %d certificates above, want %d and %d", len(got.leaf), len(got.above), len(leaf), tt.above)
			}
			a := &Auth{parsed: newRecent[[sha256.Size]byte](8)}
			if _, err := a.read(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNoCertificate(t *testing.T) {
	for name, tt := range map[string]struct {
		format Format
		header http.Header
	}{
		"no header":                   {Nginx, headers()},
		"an empty one, as HAProxy's":  {HAProxy, headers("X-SSL-Client-Cert", "")},
		"blanks":                      {Caddy, headers("X-SSL-Client-Cert", "  ")},
		"what Caddy does not know":    {Caddy, headers("X-SSL-Client-Cert", "{http.request.tls.client.certificate_der_base64}")},
		"another format's":            {Envoy, headers("X-SSL-Client-Cert", asNginx(example()[0]))},
		"the standard's, for nginx":   {Nginx, headers("Client-Cert", strings.TrimSpace(clientCert))},
		"a header with an underscore": {Nginx, headers("X_SSL_Client_Cert", asNginx(example()[0]))},
	} {
		c := Caller{Format: tt.format, Header: tt.format.Header()}
		if got, err := c.presented(tt.header); err != nil || got.leaf != nil {
			t.Errorf("%s: got %d bytes, %v", name, len(got.leaf), err)
		}
	}
}

// TestWhatIsNotBelieved is what clients try, and proxies get wrong.
func TestWhatIsNotBelieved(t *testing.T) {
	all := example()
	leaf, other := all[0], all[1]
	self := issue(t, "acme.payments", 1)
	mine := ":" + asBase64(leaf) + ":"
	long := strings.Repeat("A", maxHeader)
	many := make([][]byte, maxCertificates+1)
	for i := range many {
		many[i] = other
	}
	many[0] = leaf
	const nginx, envoy, traefik, standard = "X-SSL-Client-Cert", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert", "Client-Cert"
	for _, tt := range []struct {
		name   string
		format Format
		header http.Header
		want   issuance.Code
	}{
		{"twice", Nginx, headers(nginx, asNginx(leaf), nginx, asNginx(leaf)), CodeAmbiguous},
		{"twice, in another case", Nginx, headers(nginx, asNginx(leaf), "x-ssl-CLIENT-cert", asNginx(other)), CodeAmbiguous},
		{"twice, once empty", Nginx, headers(nginx, "", nginx, asNginx(leaf)), CodeAmbiguous},
		{"two certificates", Nginx, headers(nginx, asNginx(leaf, self)), CodeAmbiguous},
		{"the same twice", Nginx, headers(nginx, asLoadBalancer(leaf, leaf)), CodeAmbiguous},
		{"two that name themselves their issuers", Nginx, headers(nginx, asLoadBalancer(self, self)), CodeAmbiguous},
		{"a CA in between, then a client", Nginx, headers(nginx, asLoadBalancer(leaf, all[1], self)), CodeAmbiguous},
		{"the CA first", Nginx, headers(nginx, asLoadBalancer(all[1], leaf)), CodeAmbiguous},
		{"too many certificates", Nginx, headers(nginx, asLoadBalancer(many...)), CodeTooLong},
		{"joined with a comma", Nginx, headers(nginx, asNginx(leaf)+", "+asNginx(leaf)), CodeMalformed},
		{"URL-encoded twice", Nginx, headers(nginx, url.QueryEscape(asNginx(leaf))), CodeMalformed},
		{"not URL-encoded", Nginx, headers(nginx, strings.ReplaceAll(asPEM(leaf), "\n", " ")), CodeMalformed},
		{"a broken escape", Nginx, headers(nginx, asNginx(leaf)[:60]+"%2"), CodeMalformed},
		{"no end", Nginx, headers(nginx, asNginx(leaf)[:200]), CodeMalformed},
		{"something in front", Nginx, headers(nginx, "%0A"+asNginx(leaf)), CodeMalformed},
		{"something behind", Nginx, headers(nginx, asNginx(leaf)+"x"), CodeMalformed},
		{"something on the last line", Nginx, headers(nginx, strings.TrimSuffix(asNginx(leaf), "%0A")+"x"), CodeMalformed},
		{"another kind of PEM", Nginx, headers(nginx, strings.ReplaceAll(asNginx(leaf), "CERTIFICATE", "PRIVATE%20KEY")), CodeMalformed},
		{"PEM with a header", Nginx, headers(nginx, strings.Replace(asNginx(leaf), "-%0A", "-%0AA%3A%20b%0A%0A", 1)), CodeMalformed},
		{"an empty PEM", Nginx, headers(nginx, "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----%0A"), CodeMalformed},
		{"too long", Nginx, headers(nginx, asNginx(leaf)+long), CodeTooLong},
		{"DER for PEM", Nginx, headers(nginx, asBase64(leaf)), CodeMalformed},
		{"PEM for DER", HAProxy, headers(nginx, asNginx(leaf)), CodeMalformed},
		{"something behind DER", HAProxy, headers(nginx, asBase64(append(leaf[:len(leaf):len(leaf)], 0))), CodeMalformed},
		{"two in DER", HAProxy, headers(nginx, asBase64(append(leaf[:len(leaf):len(leaf)], other...))), CodeMalformed},
		{"no DER", HAProxy, headers(nginx, asBase64([]byte("certificate"))), CodeMalformed},
		{"base64 with blanks", HAProxy, headers(nginx, asBase64(leaf)[:40]+" "+asBase64(leaf)[40:]), CodeMalformed},
		{"base64 for URLs", HAProxy, headers(nginx, strings.NewReplacer("+", "-", "/", "_").Replace(asBase64(leaf))), CodeMalformed},
		{"base64 that is not canonical", HAProxy, headers(nginx, "QR=="), CodeMalformed},
		{"a placeholder and more", Caddy, headers(nginx, "{http.request.tls.client.x}"+asBase64(leaf)), CodeMalformed},
		{"a placeholder elsewhere", HAProxy, headers(nginx, "{http.request.tls.client.certificate_der_base64}"), CodeMalformed},

		{"two hops", Envoy, headers(envoy, xfcc(leaf)+","+xfcc(leaf)), CodeAmbiguous},
		{"two lines", Envoy, headers(envoy, xfcc(leaf), envoy, xfcc(leaf)), CodeAmbiguous},
		{"two certificates in a pair", Envoy, headers(envoy, `Cert="`+asEnvoy(leaf, other)+`"`), CodeAmbiguous},
		{"a pair twice", Envoy, headers(envoy, `Cert="`+asEnvoy(leaf)+`";CERT="`+asEnvoy(other)+`"`), CodeAmbiguous},
		{"a certificate in an unquoted URI", Envoy, headers(envoy, `URI=spiffe://x;Cert="`+asEnvoy(other)+`";`+xfcc(leaf)), CodeAmbiguous},
		{"a hop in an unquoted URI", Envoy, headers(envoy, `URI=spiffe://x,Cert="`+asEnvoy(other)+`"`), CodeAmbiguous},
		{"a chain of another", Envoy, headers(envoy, `Cert="`+asEnvoy(leaf)+`";Chain="`+asEnvoy(other, leaf)+`"`), CodeAmbiguous},
		{"a chain without the certificate", Envoy, headers(envoy, `Cert="`+asEnvoy(leaf)+`";Chain="`+asEnvoy(other)+`"`), CodeAmbiguous},
		{"a hash of another", Envoy, headers(envoy, `Hash=`+hashOf(other)+`;Cert="`+asEnvoy(leaf)+`"`), CodeMalformed},
		{"a hash alone", Envoy, headers(envoy, `By=x;Hash=`+hashOf(leaf)), CodeMalformed},
		{"a certificate in a quoted subject", Envoy, headers(envoy, `Hash=`+hashOf(leaf)+`;Subject="CN=\";Cert=\"`+asEnvoy(leaf)+`\""`), CodeMalformed},
		{"a quote without end", Envoy, headers(envoy, `Cert="`+asEnvoy(leaf)), CodeMalformed},
		{"a quote that is escaped", Envoy, headers(envoy, `Cert="`+asEnvoy(leaf)+`\"`), CodeMalformed},
		{"behind the quote", Envoy, headers(envoy, `Cert="`+asEnvoy(leaf)+`"x`), CodeMalformed},
		{"no pair", Envoy, headers(envoy, asEnvoy(leaf)), CodeMalformed},
		{"no key", Envoy, headers(envoy, `="`+asEnvoy(leaf)+`"`), CodeMalformed},
		{"an end without a pair", Envoy, headers(envoy, xfcc(leaf)+`;`), CodeMalformed},
		{"too long for Envoy", Envoy, headers(envoy, xfcc(leaf)+";URI="+long), CodeTooLong},

		{"two clients", Traefik, headers(traefik, asTraefik(leaf, leaf)), CodeAmbiguous},
		{"two clients that name themselves their issuers", Traefik, headers(traefik, asTraefik(self, self)), CodeAmbiguous},
		{"upside down", Traefik, headers(traefik, asTraefik(all[1], leaf)), CodeAmbiguous},
		{"a gap in the chain", Traefik, headers(traefik, asTraefik(leaf, all[2])), CodeAmbiguous},
		{"an empty part", Traefik, headers(traefik, asTraefik(leaf)+","), CodeMalformed},
		{"encoded twice", Traefik, headers(traefik, url.QueryEscape(url.QueryEscape(asTraefik(leaf)))), CodeMalformed},
		{"with markers", Traefik, headers(traefik, asNginx(leaf)), CodeMalformed},
		{"too many", Traefik, headers(traefik, asTraefik(many...)), CodeTooLong},

		{"not a Byte Sequence", RFC9440, headers(standard, asBase64(leaf)), CodeMalformed},
		{"one colon", RFC9440, headers(standard, ":"), CodeMalformed},
		{"nothing in between", RFC9440, headers(standard, "::"), CodeMalformed},
		{"with a parameter", RFC9440, headers(standard, mine+";a=1"), CodeMalformed},
		{"a list", RFC9440, headers(standard, mine+", "+mine), CodeMalformed},
		{"two of them", RFC9440, headers(standard, mine, standard, mine), CodeAmbiguous},
		{"a chain alone", RFC9440, headers("Client-Cert-Chain", mine), CodeMalformed},
		{"another client in the chain", RFC9440, headers(standard, mine, "Client-Cert-Chain", mine), CodeAmbiguous},
		{"a chain too long", RFC9440, headers(standard, mine, "Client-Cert-Chain", long), CodeTooLong},
		{"a chain that is empty in between", RFC9440, headers(standard, mine, "Client-Cert-Chain", ":"+asBase64(all[1])+":,,"), CodeMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Caller{Format: tt.format, Header: tt.format.Header()}
			got, err := c.presented(tt.header)
			if err == nil && got.leaf != nil {
				_, err = (&Auth{parsed: newRecent[[sha256.Size]byte](8)}).read(got)
			}
			if issuance.CodeOf(err) != tt.want || issuance.KindOf(err) != issuance.Denied {
				t.Errorf("got %v (%s), want %s", err, issuance.CodeOf(err), tt.want)
			}
		})
	}
}

// FuzzFormats looks that whatever a header has, each format reads at least one
// certificate of it or says in its own words why not, and that the certificate
// comes back from the one way to write it.
func FuzzFormats(f *testing.F) {
	all := example()
	for _, s := range []string{
		asNginx(all[0]), asNginx(all...), xfcc(all[0]), `Chain="` + asEnvoy(all...) + `"`, asTraefik(all...), url.QueryEscape(asTraefik(all...)),
		asBase64(all[0]), strings.TrimSpace(clientCert), "::", ":", "QR==", `a="\`, `Cert="\"";`, "%", ",", ";=", "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----",
	} {
		f.Add(s, strings.TrimSpace(clientCertChain))
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, value, chain string) {
		for _, format := range Formats() {
			c := Caller{Format: format, Header: format.Header()}
			h := http.Header{c.Header: {value}}
			if chain != "" {
				h[chainHeader] = []string{chain}
			}
			got, err := c.presented(h)
			if err != nil {
				if issuance.KindOf(err) != issuance.Denied || issuance.CodeOf(err) == CodeMissing {
					t.Errorf("%s: %v", format, err)
				}
				continue
			}
			if got.leaf == nil && strings.TrimSpace(value) != "" && !unknownToCaddy(strings.TrimSpace(value)) {
				t.Errorf("%s: a header with something in it has nothing", format)
			}
			if format == HAProxy && got.leaf != nil && asBase64(got.leaf) != strings.TrimSpace(value) {
				t.Errorf("%q is not the only way to write what is in it", value)
			}
			if _, err := (&Auth{parsed: newRecent[[sha256.Size]byte](8)}).read(got); got.leaf != nil && err != nil && issuance.KindOf(err) != issuance.Denied {
				t.Errorf("%s: %v", format, err)
			}
		}
	})
}
