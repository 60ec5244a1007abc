//go:build linux

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// AnyCore leaves a process where it is.
const AnyCore = -1

// Cores lists those that this process may run on.
func Cores() (out []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	const most = 1024 // of a CPUSet
	for core := range most {
		if set.IsSet(core) {
			out = append(out, core)
		}
	}
	return out, nil
}

// Pin keeps all threads of this process on a core, those that are yet to come too: a thread begins where its maker is.
func Pin(core int) error {
	set := only(core)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("sched_setaffinity to core %d: %w", core, err)
		}
	}
	return nil
}

// Start starts a command that stays on a core. Where a Go program begins decides how many threads it runs at once: here one.
func Start(c *exec.Cmd, core int) (err error) {
	if core == AnyCore {
		return c.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	set := only(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("sched_setaffinity to core %d: %w", core, err)
	}
	defer func() { err = errors.Join(err, unix.SchedSetaffinity(0, &before)) }()
	return c.Start()
}

func only(core int) (set unix.CPUSet) {
	set.Set(core)
	return set
}
