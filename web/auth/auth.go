package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// Path is the address. Envoy asks below it: it appends the path that its client
// requested, which is ignored.
const Path = "/auth"

// Ours reports whether a request is for this package.
func Ours(r *http.Request) bool {
	return r.URL.Path == Path || r.URL.Path == SeenPath || strings.HasPrefix(r.URL.Path, Path+"/")
}

// lookUpLimit is the longest time that one request waits for the register.
const lookUpLimit = 5 * time.Second

// Options configures an [Auth]. All fields must be set, except Authorities, Seen and Report.
type Options struct {
	Callers []Caller
	// Check returns the record of a client certificate that is valid at this moment;
	// the client has proven that it has the key. An [*issuance.Error] of kind Denied
	// says why a certificate is refused, and comes with its record if it is one of
	// ours. Any other error means that the check was not possible.
	Check   func(context.Context, *x509.Certificate) (issuance.Certificate, error)
	Service func(context.Context, issuance.ServiceID) (issuance.Service, error)
	// Authorities returns our CAs in DER. Clients may send them with their
	// certificate in any order, and some proxies pass on the whole chain. If it is
	// nil, each certificate must be followed by that of its issuer.
	Authorities func() [][]byte
	// Seen is called for each use of one of our certificates; refused is empty if it
	// was accepted. It is called before the answer is sent, from many requests at
	// once, and must not block. It may be nil.
	Seen func(serial issuance.Serial, refused issuance.Code)
	// Report records the uses that a caller reports; Refusals are the codes that a
	// caller may give. If Report is nil, SeenPath does not exist.
	Report   func(context.Context, []issuance.Usage) (issuance.UsageReport, error)
	Refusals []issuance.Code
	// Refused is told of a request by nobody who may ask. Nil: nobody is told.
	Refused func(http.ResponseWriter, *http.Request, error)
	Log     *slog.Logger
}

// Auth is the handler.
type Auth struct {
	opts     Options
	callers  []*Caller
	problems server.Problems
	fixed    *fixed
	parsed   *recent[[sha256.Size]byte] // by the digest of their DER
	shown    *recent[shown]
}

// New returns the handler, or what is wrong with its callers.
func New(o Options) (*Auth, error) {
	if o.Check == nil || o.Service == nil || o.Log == nil || len(o.Callers) == 0 {
		return nil, errors.New("auth: Callers, Check, Service and Log are needed")
	}
	a := &Auth{opts: o, problems: server.Problems{Log: o.Log}, fixed: newFixed()}
	a.parsed, a.shown = newRecent[[sha256.Size]byte](recentCertificates), newRecent[shown](recentCertificates)
	for _, c := range o.Callers {
		if err := c.prepare(); err != nil {
			return nil, err
		}
		for _, other := range a.callers {
			if other.Name == c.Name || !c.Secret.Empty() && other.digest == c.digest {
				return nil, fmt.Errorf("auth: the callers %q and %q have the same name or secret", other.Name, c.Name)
			}
		}
		a.callers = append(a.callers, &c)
	}
	return a, nil
}

func (a *Auth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = a.fixed.noStore
	if r.URL.Path == SeenPath && a.opts.Report != nil {
		a.takeSeen(w, r)
		return
	}
	server.Often(w, Path)
	if !Ours(r) || r.URL.Path == SeenPath {
		a.problems.Write(w, r, &issuance.Error{
			Kind: issuance.NotFound, Code: server.CodePath, Message: "there is nothing at this address",
			Hint: "ask " + Path,
		})
		return
	}
	ctx := &limited{Context: r.Context(), until: time.Now().Add(lookUpLimit)}
	defer ctx.end()
	v, err := a.decide(ctx, r)
	if v.known.Serial != "" && a.opts.Seen != nil && (err == nil || issuance.KindOf(err) == issuance.Denied) {
		a.opts.Seen(v.known.Serial, issuance.CodeOf(err))
	}
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	v.write(w.Header(), a.fixed)
}

// verdict is what came of a request that is let in. Without a serial number
// there is no certificate: an upstream that is a test let the client in.
type verdict struct {
	known       issuance.Certificate
	environment issuance.Environment
	spiffeID    string
}

// decide says who calls, or why they are refused: an [*issuance.Error] of kind
// Denied. Any other error is that nobody could tell.
func (a *Auth) decide(ctx context.Context, r *http.Request) (verdict, error) {
	c, err := a.caller(ctx, r)
	if err != nil {
		return verdict{}, err
	}
	up, err := c.upstream(r)
	if err != nil {
		return verdict{}, err
	}
	cert, text, err := a.certificate(c, r.Header)
	if err != nil {
		return verdict{}, err
	}
	if cert.Certificate == nil {
		if up.WithoutCertificate {
			return verdict{}, nil
		}
		return verdict{}, denied(CodeMissing, "no client certificate was presented",
			"configure your client with the certificate and key that you downloaded")
	}
	known, err := a.opts.Check(ctx, cert.Certificate)
	if err != nil {
		return verdict{known: known}, err
	}
	a.remember(text, cert)
	service, err := a.service(ctx, known)
	if err != nil {
		return verdict{known: known}, err
	}
	return verdict{known, service.Environment, cert.spiffeID}, up.allow(known, service.Environment)
}

// service returns whose certificate it is, and an error if the service is disabled.
func (a *Auth) service(ctx context.Context, known issuance.Certificate) (issuance.Service, error) {
	service, err := a.opts.Service(ctx, known.Service)
	if err != nil {
		// Not wrapped: that the service is not there is not the client's fault.
		return service, fmt.Errorf("looking up service %s: %s", known.Service, err)
	}
	if service.Disabled {
		return service, denied(CodeDisabled, "the service "+string(known.Service)+" is disabled",
			"ask the people who issued the certificate to enable it")
	}
	return service, nil
}

// certificate returns what the caller's client has shown, none if that is nothing, and the text of it.
func (a *Auth) certificate(c *Caller, h http.Header) (certificate, shown, error) {
	text := c.text(h)
	if cert := a.shown.get(text); cert.Certificate != nil {
		return cert, text, nil
	}
	p, err := c.presented(h)
	if err != nil || p.leaf == nil {
		return certificate{}, text, err
	}
	cert, err := a.read(p)
	if len(p.above) > 0 {
		text = shown{}
	}
	return cert, text, err
}

// remember keeps a certificate that stands for the next request that shows it.
func (a *Auth) remember(text shown, cert certificate) {
	a.parsed.keep(cert.sum, cert)
	if text.value != "" {
		a.shown.keep(text, cert)
	}
}

// read parses what was presented. The certificates beside the client's own are
// looked at only to see that they are CAs', ours or the next above, and not a
// second client's: the chain that counts is built from our own issuers.
func (a *Auth) read(p presented) (certificate, error) {
	leaf, err := a.parse(p.leaf)
	if err != nil {
		return certificate{}, err
	}
	below := leaf
	for _, der := range p.above {
		if a.isOurs(der) {
			continue
		}
		next, err := a.parse(der)
		if err != nil {
			return certificate{}, err
		}
		if !next.IsCA || string(next.RawSubject) != string(below.RawIssuer) {
			return certificate{}, errSecond()
		}
		a.parsed.keep(next.sum, next)
		below = next
	}
	return leaf, nil
}

// isOurs reports whether der is one of our own CAs, byte by byte.
func (a *Auth) isOurs(der []byte) bool {
	if a.opts.Authorities == nil {
		return false
	}
	return slices.ContainsFunc(a.opts.Authorities(), func(own []byte) bool { return bytes.Equal(own, der) })
}

func (a *Auth) parse(der []byte) (certificate, error) {
	sum := sha256.Sum256(der)
	if known := a.parsed.get(sum); known.Certificate != nil {
		return known, nil
	}
	c, err := x509.ParseCertificate(der) // refuses what follows it
	if err != nil {
		return certificate{}, errMalformed("it is not a certificate in DER")
	}
	return certificate{c, sum, spiffeID(c)}, nil
}

// spiffeID returns the certificate's one URI name; ours have one.
func spiffeID(c *x509.Certificate) string {
	if len(c.URIs) != 1 {
		return ""
	}
	return c.URIs[0].String()
}
