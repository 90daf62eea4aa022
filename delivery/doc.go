// Package delivery gets what was issued to the person it was issued for.
//
// It makes and checks one-time codes ([NewSeed], [Code], [CheckCode]), makes the
// passwords of PKCS#12 files ([NewPassword]) and packs the files ([Pack]). It
// carries each notice to a phone or a mailbox, at least once.
//
// It refuses to decide anything: who may have a code, how often, and what an
// order becomes afterwards is the business of package issuance. It keeps no
// secret: whatever it makes goes to its caller alone.
package delivery
