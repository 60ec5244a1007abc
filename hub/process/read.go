package process

import (
	"errors"
	"fmt"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Read raises the limit of descriptors as far as the process may, and returns what holds then. The memory is that of the cgroup, or of
// a narrower one around it (cgroups, versions 1 and 2). On error, what could be read is returned all the same.
func Read() (Limits, error) {
	descriptors, err := raiseDescriptors()
	if err != nil {
		err = fmt.Errorf("limit of descriptors: %w", err)
	}
	memory, unread := memlimit.FromCgroup()
	switch {
	case errors.Is(unread, memlimit.ErrNoLimit), errors.Is(unread, memlimit.ErrNoCgroup), errors.Is(unread, memlimit.ErrCgroupsNotSupported):
		memory = 0
	case unread != nil:
		err = errors.Join(err, fmt.Errorf("limit of memory: %w", unread))
	}
	return Limits{Descriptors: descriptors, Memory: memory}, err
}
