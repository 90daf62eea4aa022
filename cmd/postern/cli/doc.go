// Package cli has the commands that talk to a running server: those of staff over
// the admin API, and a contact's claim from a terminal.
//
// It opens no database and makes no certificate. It reads no environment by
// itself and never exits: the caller passes the environment in, and ends with the
// status that [Run] returns. Text that comes from a server is shown with its
// control characters and direction marks spelled out, so that no name or comment
// can move the cursor or hide a part of itself.
package cli
