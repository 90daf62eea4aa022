// Package issuance decides what may happen to an order or a certificate.
//
// It holds the types, the states and the rules of Postern: organisations,
// contacts and services; orders and the certificates that come of them; the
// notices that tell people, and the audit records that tell what was done and
// by whom. [Registrar] has one method for each verb.
//
// It refuses to know how anything is done: it signs nothing, sends nothing,
// stores nothing and serves nothing itself. What it needs of the other packages
// stands here as a port ([Store], [Signer], the function fields of [Registrar])
// and is wired by cmd/postern. It imports the standard library alone.
package issuance
