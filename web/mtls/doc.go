// Package mtls is the handler of the two-way TLS listener, which client
// applications call with their certificates.
//
// It makes no decisions about a certificate: it asks for each request whether the
// certificate is accepted, because a connection can outlive a revocation.
package mtls
