package main

import (
	"io"
	"log/slog"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// newLog returns a logger as the configuration asks for.
func newLog(c config.Log, w io.Writer) *slog.Logger {
	log, _ := newLevelLog(c, w)
	return log
}

// newLevelLog is newLog whose level can be changed.
func newLevelLog(c config.Log, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	setLevel(level, c)
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

// setLevel sets what c says; info if it says nothing that is known.
func setLevel(level *slog.LevelVar, c config.Log) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.Level)); err != nil {
		l = slog.LevelInfo
	}
	level.Set(l)
}
