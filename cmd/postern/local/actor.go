package local

import (
	"os"
	"os/user"
	"strconv"

	"github.com/postern-ca/postern/issuance"
)

// Actor is the user with a number, "" if it is not known, who has a part of the system
// do something on the server's machine.
func Actor(part, uid string) issuance.Actor {
	return issuance.Actor{Role: issuance.RoleSystem, ID: part, Name: called(uid) + " on the server's machine"}
}

// Caller is the Actor who runs this process.
func Caller(part string) issuance.Actor { return Actor(part, strconv.Itoa(os.Geteuid())) }

// called returns the user with a number as people call them.
func called(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	if uid == "" || uid == "-1" { // not on Unix
		return "somebody"
	}
	return "user " + uid
}
