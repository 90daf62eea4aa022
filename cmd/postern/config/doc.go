// Package config reads the settings of a server from postern.yaml, environment
// variables and flags. It reports all errors at once, each with file, line, key and
// what to do.
//
// Flags override environment variables, which override the file, which overrides
// the defaults. The package reads the files that it is given; the caller passes in
// the environment. An unknown key is an error, wherever it is set.
package config
