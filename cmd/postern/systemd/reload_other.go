//go:build !linux

package systemd

// Reloading is the state of a service that begins to reload.
func Reloading() string { return "RELOADING=1" }
