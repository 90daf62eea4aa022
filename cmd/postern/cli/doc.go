// Package cli has the commands that talk to a running server: those for staff, over the
// admin API, and a contact's claim from a terminal.
//
// It opens no database and issues no certificate. It does not read the environment
// itself and never exits: the caller passes the environment in, and exits with the
// status that [Run] returns. Text that comes from a server is shown with its control
// characters and direction marks spelled out, so that no name or comment can move the
// cursor or hide part of itself.
package cli
