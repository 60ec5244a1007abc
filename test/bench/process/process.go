// Package process starts servers on a core of their own and sees what they use. It runs on Linux alone.
package process

import "time"

// Usage is what a process has used until now.
type Usage struct {
	// CPU is for how long its threads ran, in the kernel too. Threads that ended do not count, and Go's do not end.
	CPU time.Duration
	// RSS is the memory that it holds, in bytes.
	RSS int64
}
