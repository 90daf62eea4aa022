package mtls

import (
	"bytes"
	"context"
	"crypto"
	_ "crypto/sha1" // for crypto.SHA1: what every responder knows an issuer by
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/ca/crlfile"
)

// maxOCSPAnswer is far more than an answer has, in bytes.
const maxOCSPAnswer = 64 << 10

// OCSP asks a responder (RFC 6960) for the status of each client certificate, and
// uses the answer for half of its remaining lifetime. If the responder then fails,
// the answer is used until it expires. OCSP does not ask about the issuing CA,
// whose certificate names no responder. Set the fields before the first use.
type OCSP struct {
	URL    string           // of the responder; empty: the one named in the certificate
	MaxAge time.Duration    // the longest that an answer is kept; 0: until it expires. It limits the delay of a revocation
	Client *http.Client     // nil: http.DefaultClient
	Now    func() time.Time // nil: time.Now

	kept answers
}

// Status implements [Revocation].
func (o *OCSP) Status(ctx context.Context, chain Chain) error {
	return o.kept.get(ctx, question{sha256.Sum256(chain.Leaf.Raw), o.now, func(ctx context.Context) (verdict, error) {
		der, err := o.ask(ctx, chain)
		if err != nil {
			return verdict{}, fmt.Errorf("asking the OCSP responder: %w", err)
		}
		return o.read(der, chain)
	}})
}

func (o *OCSP) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// ask returns the answer in DER.
func (o *OCSP) ask(ctx context.Context, chain Chain) ([]byte, error) {
	url := o.URL
	if url == "" {
		if len(chain.Leaf.OCSPServer) == 0 {
			return nil, errors.New("the certificate names no responder")
		}
		url = chain.Leaf.OCSPServer[0]
	}
	// SHA-1 names the issuer here and protects nothing: the answer is checked
	// against the issuer's certificate.
	der, err := ocsp.CreateRequest(chain.Leaf, chain.Issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(der))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	request.Header.Set("Accept", "application/ocsp-response")
	return fetch(o.Client, request)
}

// fetch returns the body of an answer with status 200.
func fetch(client *http.Client, request *http.Request) ([]byte, error) {
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New("the server answers " + response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxOCSPAnswer+1))
	if err == nil && len(body) > maxOCSPAnswer {
		err = errors.New("the answer is too long")
	}
	return body, err
}

// read checks an answer (RFC 6960, section 3.2) and returns what it says.
func (o *OCSP) read(der []byte, chain Chain) (verdict, error) {
	answer, err := ocsp.ParseResponseForCert(der, chain.Leaf, chain.Issuer)
	if err != nil {
		return verdict{}, fmt.Errorf("reading an OCSP answer: %w", err)
	}
	now := o.now()
	if err := checkResponder(answer, chain.Issuer, now); err != nil {
		return verdict{}, err
	}
	switch {
	case answer.ThisUpdate.After(now.Add(crlfile.ClockSkew)):
		return verdict{}, errors.New("an OCSP answer is from the future: check the clock")
	case answer.NextUpdate.IsZero():
		return verdict{}, errors.New("an OCSP answer does not say how long it is valid for")
	case !now.Before(answer.NextUpdate):
		return verdict{}, fmt.Errorf("an OCSP answer expired at %s", answer.NextUpdate.UTC().Format(time.RFC3339))
	}
	v := verdict{until: now.Add(answer.NextUpdate.Sub(now) / 2), atMost: answer.NextUpdate}
	if o.MaxAge > 0 {
		v.until, v.atMost = earlier(v.until, now.Add(o.MaxAge)), earlier(v.atMost, now.Add(o.MaxAge))
	}
	switch {
	case answer.Status == ocsp.Good:
	case answer.Status == ocsp.Revoked && answer.RevocationReason == ocsp.CertificateHold:
		v.err = refuse(CodeHeld, "it is on hold")
	case answer.Status == ocsp.Revoked:
		v.err = refuse(CodeRevoked, "it was revoked")
	default:
		v.err = refuse(CodeUnknown, "the OCSP responder does not know it")
	}
	return v, nil
}

// checkResponder returns an error unless the answer was signed by the issuer, or
// by who the issuer has charged with it (RFC 6960, section 4.2.2.2). The library
// takes any certificate of the issuer for that, a client's too: with it, a revoked
// client would answer for itself.
func checkResponder(answer *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	by := answer.Certificate
	if by == nil || by.Equal(issuer) {
		return checkSignature(issuer, answer.SignatureAlgorithm, answer.TBSResponseData, answer.Signature)
	}
	switch {
	case !bytes.Equal(by.RawIssuer, issuer.RawSubject), !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning), by.IsCA,
		by.KeyUsage&x509.KeyUsageDigitalSignature == 0, len(by.UnhandledCriticalExtensions) > 0:
		return errors.New("an OCSP answer is signed by a certificate that is not for OCSP signing")
	case now.Before(by.NotBefore), now.After(by.NotAfter):
		return errors.New("an OCSP answer is signed by an expired certificate")
	}
	if err := checkSignature(issuer, by.SignatureAlgorithm, by.RawTBSCertificate, by.Signature); err != nil {
		return fmt.Errorf("checking the OCSP responder's certificate: %w", err)
	}
	return checkSignature(by, answer.SignatureAlgorithm, answer.TBSResponseData, answer.Signature)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
