// Package mtls is the handler of the two-way TLS listener, which client
// applications call with their certificates.
//
// It decides nothing about a certificate: whether one stands is asked anew for
// each request, because a connection outlives a revocation.
package mtls
