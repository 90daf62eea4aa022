// Package trust serves what is public: the root and the issuing CAs' certificates,
// CRLs, OCSP answers, and a page that tells people what they are for. Its handler
// can be used alone on a plain HTTP listener, as the clients of CRLs and OCSP
// expect (RFC 5280, section 8), or in front of another on a public one.
//
// It signs nothing and knows nothing about orders: it serves what it is given.
package trust
