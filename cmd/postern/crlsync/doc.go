// Package crlsync keeps a copy of Postern's CRL bundle up to date for a server that
// reads it from a file, and makes that server reload when the file has changed.
//
// It replaces the file only with one that package crlfile has verified and that is not
// older. The file is therefore always complete, whatever happens to the network, the
// disk or the process. It never deletes the file, not even after it has expired: the
// server decides what to do with an expired CRL, and people are warned before that.
package crlsync
