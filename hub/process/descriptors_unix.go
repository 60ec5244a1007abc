//go:build linux || darwin

package process

import "golang.org/x/sys/unix"

// raiseDescriptors raises the soft limit to the hard one, and returns what holds then. The Go runtime does so too as it starts; a
// hub does not depend on that.
func raiseDescriptors() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	if limit.Cur >= limit.Max {
		return limit.Cur, nil
	}
	raised := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
		return limit.Cur, err
	}
	return raised.Cur, nil
}
