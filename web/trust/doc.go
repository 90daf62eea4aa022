// Package trust serves what anybody may have: the root and the issuing CAs'
// certificates, CRLs, OCSP answers, and a page that tells people what they are
// for. Its handler can stand alone on a plain HTTP listener, as the clients of
// CRLs and OCSP expect (RFC 5280, section 8), or before another on a public one.
//
// It signs nothing and knows no order: what it serves is given to it.
package trust
