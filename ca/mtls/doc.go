// Package mtls checks the client certificates that Postern issues, for web
// services: at each handshake, full or resumed, and again at each request. It tells
// the handler who is calling.
//
//	cas, err := mtls.ReadCAs("chain.pem") // from /pki/chain.pem
//	crls := &mtls.CRLs{CAs: cas, URL: "http://pki.example.com/pki/crl-bundle.pem"}
//	go crls.Run(ctx)
//	verifier := &mtls.Verifier{CAs: cas, Revocation: crls}
//	server := &http.Server{Handler: verifier.Handler(api), TLSConfig: verifier.TLSConfig(nil)}
//
// It accepts only certificates with Postern's profile. If the status of a
// certificate is unknown, it fails closed unless [FailOpen] is set. It trusts no CA
// that a client sends, and it neither issues nor stores anything. It imports only
// the standard library, golang.org/x/crypto and package crlfile.
package mtls
