// Package crlfile reads and checks a file of CRLs in PEM, one for each level of a
// chain, as nginx, HAProxy and Apache want it and as Postern serves it at
// /pki/crl-bundle.pem.
//
// It decides whether a file may be used, and how long a follower asks its server to
// wait for the next one ([Patience]). It fetches nothing, writes nothing, and does
// not decide what happens to a connection. It does not take delta CRLs, indirect
// ones or ones of a part of the certificates, since servers that read one file
// would take them for the whole. It imports the standard library alone: web
// services get it with package mtls.
package crlfile
