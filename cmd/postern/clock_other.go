//go:build !linux

package main

import "time"

// machineRun: how long this machine has run is not known here.
func machineRun() (string, time.Duration) { return "", 0 }
