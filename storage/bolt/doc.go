// Package bolt keeps everything in one file, which one process opens. It is an
// [issuance.Store].
//
// The file is a bbolt database of mode 0600. Records are JSON, with times in UTC.
// Every look-up and every listing walks an index (index.go), so that a million
// records answer as fast as a thousand; a listing with several filters
// intersects their indexes. Transactions of callers that come together are
// committed together (commit.go). Secrets are sealed before they reach the file
// (secrets.go), and what is left of deleted ones is overwritten (scrub.go).
//
// The package decides nothing about orders or certificates, and keeps no state
// but the file.
package bolt
