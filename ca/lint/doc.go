// Package lint looks at what a CA is about to sign, and has nothing signed that does
// not pass. [Signer] stands around a CA's key: it gets the to-be-signed bytes
// themselves, so no way to a signature leads past it.
//
// Two things have to agree. The profile check is ours, reads DER with no parser of
// certificates, and is made for every certificate and CRL: it knows exactly which
// fields and extensions a kind of certificate has. zlint's rules of the RFCs are
// asked about a copy that is signed by a throw-away key, once for each shape of
// certificate or CRL (see [shape]).
//
// It does not know who asked for a certificate, nor for what: that what was signed is
// what was asked for is ca's to compare.
package lint
