// Package ca signs: client certificates, server certificates, CRLs and OCSP
// answers. It holds the hierarchy (root and issuing CAs), reads CSRs, and checks
// the client certificates of two-way TLS connections.
//
// It does not decide who gets a certificate, or whether one is valid: package
// issuance does that, and the store is the authority. It is the only package that
// imports smallstep's CA.
package ca
