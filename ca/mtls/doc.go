// Package mtls lets a web service accept the client certificates that Postern
// issues: it checks them at each handshake, full or resumed, and again at each
// request, and tells the handler who calls.
//
//	cas, err := mtls.ReadCAs("chain.pem") // from /pki/chain.pem
//	crls := &mtls.CRLs{CAs: cas, URL: "http://pki.example.com/pki/crl-bundle.pem"}
//	go crls.Run(ctx)
//	verifier := &mtls.Verifier{CAs: cas, Revocation: crls}
//	server := &http.Server{Handler: verifier.Handler(api), TLSConfig: verifier.TLSConfig(nil)}
//
// It accepts what Postern's profile says and nothing else. It refuses to guess:
// where the status of a certificate cannot be told, it fails closed unless
// [FailOpen] was chosen. It trusts no CA that a client sends, and it neither
// issues nor stores anything. It imports the standard library,
// golang.org/x/crypto and package crlfile alone.
package mtls
