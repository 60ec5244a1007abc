package scale

import (
	"fmt"
	"os"
	"time"
)

// tick is the unit of /proc/stat, which is the same on every Linux that Go runs on.
const tick = time.Second / 100

// busy is the CPU time that all programs of this machine have taken since it was started, and the kernel for them.
func busy() (time.Duration, error) {
	document, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	var user, nice, system, idle, iowait, irq, softirq int64
	if _, err := fmt.Sscanf(string(document), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq); err != nil {
		return 0, fmt.Errorf("/proc/stat: %w", err)
	}
	return time.Duration(user+nice+system+irq+softirq) * tick, nil
}

// MachineMemory is the memory of this machine in bytes.
func MachineMemory() (int64, error) {
	document, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	var kibibytes int64
	if _, err := fmt.Sscanf(string(document), "MemTotal: %d kB", &kibibytes); err != nil {
		return 0, fmt.Errorf("/proc/meminfo: %w", err)
	}
	return kibibytes << 10, nil
}
