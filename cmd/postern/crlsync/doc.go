// Package crlsync keeps a file of CRLs as Postern has them, beside a server that
// reads it, and tells that server when there is a newer one.
//
// It replaces a file by one that package crlfile has verified and that is not
// older, or not at all: whatever the network, the disk or a kill does, the file is
// whole. It never deletes it, not even when it has lapsed: what a server does then
// is the server's to say, and people are told before.
package crlsync
