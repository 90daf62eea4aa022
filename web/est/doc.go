// Package est is Enrollment over Secure Transport (RFC 7030, with the
// clarifications of RFC 8951) on the listener with two-way TLS: a server that has
// no browser gets its first certificate with a link's token and a one-time code,
// and renews it with the certificate itself. The key never leaves it.
//
// It makes no decisions: the register says who may have which certificate. It offers
// neither server-side keys nor full CMC, and a request cannot choose its own names.
package est
