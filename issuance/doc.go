// Package issuance decides what may happen to an order or a certificate.
//
// It holds the types, the states and the rules of Postern: organisations, contacts
// and services; orders and the certificates that result from them; the notices that
// inform people, and the audit records of what was done and by whom. [Registrar]
// has one method for each verb.
//
// It signs nothing, sends nothing, stores nothing and serves nothing itself. What
// it needs from other packages is defined here as a port ([Store], [Signer], the
// function fields of [Registrar]), and cmd/postern connects it. It imports only the
// standard library.
package issuance
