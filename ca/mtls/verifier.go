package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// Revocation is a source of revocations: [CRLs], [OCSP] or [Auth].
type Revocation interface {
	// Status returns nil if the chain is valid, an [*Error] if a certificate in it
	// is revoked, held or unknown, and one of CodeUnavailable if the status cannot
	// be determined.
	Status(ctx context.Context, chain Chain) error
}

// Failure is what happens to a client whose status cannot be determined, because
// the source of revocations is unreachable or out of date.
type Failure int

const (
	// FailClosed refuses it, so that nobody gets in by cutting off the source. It
	// is the default.
	FailClosed Failure = iota
	// FailOpen lets it in if everything else is right, and logs it. A certificate
	// that the source is known to have reported as revoked is still refused.
	FailOpen
)

// Verifier decides who is let in. Set the fields before the first use, and do not
// change them afterwards. Without CAs nobody is let in, and without Revocation
// every status is unknown.
type Verifier struct {
	CAs         *CAs
	TrustDomain string // for example example.com; empty: the one in the issuing CA's certificate
	Revocation  Revocation
	OnUnknown   Failure // status; default: FailClosed
	Allow       Rules
	Now         func() time.Time // nil: time.Now
	Log         *slog.Logger     // of refusals; nil: none
	// Reporter is told of each use of our certificates: each Check, and each
	// refused handshake. It may be nil.
	Reporter *Reporter

	warned atomic.Int64 // Unix time of the last warning that somebody was let in unchecked
}

// lookUpLimit bounds one look-up of a status.
const lookUpLimit = 5 * time.Second

// warnEvery is how often it is logged that clients are let in unchecked.
const warnEvery = 10 * time.Second

// TLSConfig returns a copy of base that requires a client certificate and lets
// [Verifier.VerifyConnection] decide. base may be nil; its certificate, if any, is
// the server's. The server sends the names of the issuing CAs, and with
// [CRLs.ChainURL] those of the CAs above them, so that a browser offers the right
// certificates. What base sets to accept clients (ClientAuth,
// VerifyPeerCertificate, VerifyConnection, GetConfigForClient) is dropped.
func (v *Verifier) TLSConfig(base *tls.Config) *tls.Config {
	config := &tls.Config{}
	if base != nil {
		config = base.Clone()
	}
	config.ClientCAs = x509.NewCertPool()
	if v.CAs != nil {
		crls, _ := v.Revocation.(*CRLs)
		for _, i := range v.CAs.widest().issuing {
			config.ClientCAs.AddCert(i.cert)
			if crls != nil && crls.ChainURL != "" { // or clients of a CA that is learned later would show nothing
				config.ClientCAs.AddCert(i.above[0])
			}
		}
	}
	Demand(config, v.VerifyConnection)
	if config.Time == nil {
		config.Time = v.Now
	}
	return config
}

// Demand makes config require a client certificate and leaves the decision to
// verify, over TLS 1.2 or 1.3. If config does not choose cipher suites, it gets
// [CipherSuites]. verify is called as VerifyConnection, not as
// VerifyPeerCertificate, which is not called when a session is resumed, so a
// revoked client could come back with its old session. The library's own check is
// turned off: it accepts certificates with CA:TRUE and does not check revocation.
func Demand(config *tls.Config, verify func(tls.ConnectionState) error) {
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	if config.CipherSuites == nil {
		config.CipherSuites = CipherSuites()
	}
	config.ClientAuth = tls.RequireAnyClientCert
	config.GetConfigForClient = nil
	config.VerifyPeerCertificate = nil
	config.VerifyConnection = verify
}

// CipherSuites are the cipher suites of TLS 1.2 with forward secrecy and
// authenticated encryption (AEAD); by default, crypto/tls also has CBC suites.
// Those of TLS 1.3 are all AEAD and cannot be chosen.
func CipherSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// VerifyConnection is [Verifier.Check] for tls.Config, where it is called for
// full and resumed handshakes.
func (v *Verifier) VerifyConnection(state tls.ConnectionState) error {
	ctx, cancel := context.WithTimeout(context.Background(), lookUpLimit)
	defer cancel()
	_, ours, err := v.check(ctx, state.PeerCertificates)
	if err != nil { // otherwise each request counts
		v.report(state.PeerCertificates, ours, err)
	}
	v.logRefusal(state.PeerCertificates, err, "handshake")
	return err
}

// Check returns the caller that presents these certificates, its own first, if it
// is let in at this moment; errors are of type [*Error]. The client must have
// proven, in a TLS handshake, that it has the key.
func (v *Verifier) Check(ctx context.Context, presented []*x509.Certificate) (Caller, error) {
	caller, ours, err := v.check(ctx, presented)
	v.report(presented, ours, err)
	return caller, err
}

// check is Check, and says whether one of our CAs has signed the certificate.
func (v *Verifier) check(ctx context.Context, presented []*x509.Certificate) (caller Caller, ours bool, err error) {
	if v.CAs == nil {
		return Caller{}, false, refuse(CodeForeign, "the verifier has no CAs")
	}
	now := v.now()
	chain, err := v.CAs.Verify(presented, now)
	if err != nil {
		return Caller{}, false, err
	}
	caller, err = v.checkOurs(ctx, chain, now)
	return caller, true, err
}

func (v *Verifier) checkOurs(ctx context.Context, chain Chain, now time.Time) (Caller, error) {
	if err := CheckTime(chain.Leaf, now); err != nil {
		return Caller{}, err
	}
	caller, domain, err := callerOf(chain.Leaf)
	switch {
	case err != nil:
		return Caller{}, err
	case v.TrustDomain != "" && domain != v.TrustDomain:
		return Caller{}, refuse(CodeTrustDomain, "its trust domain, "+domain+", is not "+v.TrustDomain)
	}
	if err := v.status(ctx, chain); err != nil {
		return Caller{}, err
	}
	if !v.Allow.Permit(caller) {
		return Caller{}, refuse(CodeNotAllowed, "the rules do not allow "+caller.SPIFFEID)
	}
	return caller, nil
}

func (v *Verifier) report(presented []*x509.Certificate, ours bool, err error) {
	if ours && v.Reporter != nil {
		v.Reporter.saw(presented[0], err)
	}
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

// status asks the source. Whatever it says that is not a refusal counts as unavailable.
func (v *Verifier) status(ctx context.Context, chain Chain) error {
	err := error(&Error{Code: CodeUnavailable, Message: "the verifier has no source of revocation"})
	if v.Revocation != nil {
		err = v.Revocation.Status(ctx, chain)
	}
	if err == nil {
		return nil
	}
	refusal, ok := errors.AsType[*Error](err)
	if ok && refusal.Code != CodeUnavailable {
		return refusal
	}
	if v.OnUnknown == FailOpen {
		v.warn(err)
		return nil
	}
	return unavailable("its status cannot be checked", err)
}

// warn logs, now and then, that clients are let in unchecked.
func (v *Verifier) warn(err error) {
	if v.Log == nil {
		return
	}
	now, last := v.now().Unix(), v.warned.Load()
	if now-last < int64(warnEvery/time.Second) && now >= last || !v.warned.CompareAndSwap(last, now) {
		return
	}
	v.Log.Warn("clients are let in although their status cannot be checked", "error", err)
}

// logRefusal logs err, if it is one. What a stranger presents is logged escaped
// and short: of a certificate, the serial number.
func (v *Verifier) logRefusal(presented []*x509.Certificate, err error, at string) {
	if err == nil || v.Log == nil {
		return
	}
	serial, code := "", CodeUnavailable
	if len(presented) > 0 && presented[0].SerialNumber != nil && presented[0].SerialNumber.BitLen() <= 8*20 {
		serial = presented[0].SerialNumber.Text(16)
	}
	if refusal, ok := errors.AsType[*Error](err); ok {
		code = refusal.Code
	}
	v.Log.Info("a client is refused", "at", at, "code", string(code), "serial", serial, "error", err)
}
