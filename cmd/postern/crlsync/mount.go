package crlsync

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// mountsEvery is how often crl-sync looks for servers that see an old file.
const mountsEvery = time.Minute

// mount is a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)): what is mounted,
// by its device and its path on that, and where.
type mount struct{ device, root, point string }

// mountsOf returns what a process has mounted: nothing if it cannot be known, as of
// a process of somebody else, or where there is no such file.
func mountsOf(process string) (list []mount) {
	text, err := os.ReadFile(filepath.Join("/proc", process, "mountinfo"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 {
			list = append(list, mount{f[2], unescaped(f[3]), unescaped(f[4])})
		}
	}
	return list
}

// unescaped reads a path in which the kernel has written blanks and the like as \040.
func unescaped(path string) string {
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+3 < len(path) {
			if n, err := strconv.ParseUint(path[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(path[i])
	}
	return out.String()
}

// mounted reports whether the file is mounted by itself: then nothing can be
// renamed to it.
func (p place) mounted() bool {
	path, err := filepath.Abs(p.path)
	if err != nil {
		return false
	}
	for _, m := range mountsOf("self") {
		if m.point == path {
			return true
		}
	}
	return false
}

// origin returns the device that the file is on, and its path there.
func (p place) origin() (device, path string) {
	file, err := filepath.Abs(p.path)
	if err != nil {
		return "", ""
	}
	best := -1
	for _, m := range mountsOf("self") {
		below, err := filepath.Rel(m.point, file)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") || len(m.point) < best {
			continue
		}
		best, device, path = len(m.point), m.device, filepath.Join(m.root, below)
	}
	return device, path
}

// outdated looks for processes that have mounted only the file and see one that was
// replaced: they will never see another. It sees only processes that it may inspect.
func (p place) outdated() error {
	device, path := p.origin()
	if device == "" {
		return nil
	}
	looked := make(map[string]bool) // at a mount namespace
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range append([]string{"/proc/self"}, processes...) {
		namespace, err := os.Readlink(filepath.Join(process, "ns/mnt"))
		if err != nil || looked[namespace] {
			continue
		}
		looked[namespace] = true
		for _, m := range mountsOf(filepath.Base(process)) {
			if m.device == device && m.root == path+"//deleted" {
				return failf(reasonMount, "%s mounts only the file, and sees an old one from now on: mount the "+
					"directory %s there, and restart it", who(process, m.point), p.dir)
			}
		}
	}
	return nil
}

// who names a process that has something mounted at point.
func who(process, point string) string {
	if process == "/proc/self" {
		return point
	}
	name, _ := os.ReadFile(filepath.Join(process, "comm")) // it may have ended
	return fmt.Sprintf("process %s (%s), at %s,", filepath.Base(process), strings.TrimSpace(string(name)), point)
}

// lookForOutdated looks for servers that see an old file, after a change and from
// time to time.
func (s *Sync) lookForOutdated(changed bool) {
	if !changed && time.Since(s.mountsAt) < mountsEvery {
		return
	}
	s.mountsAt = time.Now()
	err := s.place.outdated()
	s.mu.Lock()
	before := s.outdated
	s.outdated = err
	s.mu.Unlock()
	switch {
	case err != nil && before == nil:
		s.Metrics.failed(reasonMount)
		s.Log.Error("a server cannot see the new file", "file", s.place.path, "reason", reasonMount, "error", err)
	case err == nil && before != nil:
		s.Log.Info("the server that saw an old file is gone", "file", s.place.path)
	}
}
