// Package delivery gets an issued certificate to the person for whom it was issued.
//
// It makes and checks one-time codes ([NewSeed], [Code], [CheckCode]), makes the
// passwords of PKCS#12 files ([NewPassword]) and packs the files ([Pack]). It
// carries each notice to a phone or a mailbox, at least once.
//
// It decides nothing: package issuance decides who may get a code, how often, and
// what happens to the order. It keeps no secrets: what it creates goes only to its
// caller.
package delivery
