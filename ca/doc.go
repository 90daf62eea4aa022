// Package ca signs: client certificates, server certificates, CRLs and OCSP
// answers. It holds the hierarchy (root and issuing CAs), reads CSRs, and checks
// the client certificates of two-way TLS connections.
//
// It refuses to decide who gets a certificate or whether one stands: that is
// package issuance's, and the store is the truth of it. It is the only package that imports
// smallstep's CA.
package ca
