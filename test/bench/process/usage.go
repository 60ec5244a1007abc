//go:build linux

package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Measure returns what a process uses. Its memory is that of smaps_rollup, which the kernel counts anew, unlike statm.
func Measure(pid int) (u Usage, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	if u.CPU, err = ran(dir); err != nil {
		return u, err
	}
	u.RSS, err = rss(dir)
	return u, err
}

// CPU returns for how long a process has run, which takes less time than Measure.
func CPU(pid int) (time.Duration, error) { return ran(filepath.Join("/proc", strconv.Itoa(pid))) }

// ran adds up the first number of each thread's schedstat, its time on a core in nanoseconds.
func ran(dir string) (sum time.Duration, err error) {
	threads, err := os.ReadDir(filepath.Join(dir, "task"))
	if err != nil {
		return 0, err
	}
	for _, t := range threads {
		text, err := os.ReadFile(filepath.Join(dir, "task", t.Name(), "schedstat"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("schedstat: %w", err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

func rss(dir string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "Rss:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("smaps_rollup has no Rss")
}

// Socket is the kind of descriptors that connections have.
const Socket = "socket:"

// Descriptors counts those that a process holds open and whose target, as /proc shows it, begins with kind: Socket, or nothing for all.
func Descriptors(pid int, kind string) (n int, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	fds, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && strings.HasPrefix(to, kind) {
			n++ // what is closed meanwhile does not count
		}
	}
	return n, nil
}
