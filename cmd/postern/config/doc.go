// Package config reads what an operator has decided: postern.yaml, environment
// variables and flags, and says everything that is wrong with them at once, each
// with file, line, key and what to do.
//
// A flag stands over the environment, that over the file, that over the default.
// It reads files that are named to it, and never the environment by itself: the
// caller passes that in. A key that nothing knows is an error, wherever it stands.
package config
