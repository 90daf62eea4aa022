// Package backup writes and reads backups: one file, encrypted with age
// (age-encryption.org/v1), that holds what a clean machine needs.
//
// Inside is a tar archive: about.json, which says what the backup holds; the
// files; and, last, manifest.json with the name, size and digest of every member
// before it, in their order. age authenticates each chunk of 64 KiB and the last
// one; the manifest also finds a cut between members, a member too many, and
// members that were swapped. [Extract] puts nothing in place: it writes into a
// directory of its own, and returns an error unless all of it is as it was written.
//
// age does not say who made a file: whoever knows a recipient can encrypt to it.
// Backups are to be kept where nobody else writes.
package backup
