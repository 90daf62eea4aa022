//go:build !unix

package safedir

import "io/fs"

// Elsewhere permissions are not in the mode of a file.
func ours(fs.FileInfo) bool { return true }

func writableByOthers(fs.FileInfo) bool { return false }

func openToOthers(fs.FileInfo) bool { return false }

// Owner returns "": elsewhere it is not known.
func Owner(fs.FileInfo) string { return "" }
