package main

import (
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/process"
)

// memoryVariable is the environment variable by which a person bounds the Go runtime's memory (package runtime); it wins.
const memoryVariable = "GOMEMLIMIT"

// readLimits raises and reads what the process may take. A limit that cannot be read is none: the hub serves all the same.
func readLimits(logger *slog.Logger) process.Limits {
	limits, err := process.Read()
	if err != nil {
		logger.Warn("limits of the process cannot be read or raised", "error", err)
	}
	return limits
}

// keepLimits makes the Go runtime keep to what a hub and its configuration leave it, and says what the process may take.
func keepLimits(logger *slog.Logger, limits process.Limits, h *hub.Hub) {
	if memory := h.GoMemory(); memory > 0 && os.Getenv(memoryVariable) == "" {
		debug.SetMemoryLimit(memory)
	}
	logger.Info("limits of the process", "descriptors", limits.Descriptors, "memory", limits.Memory, "goMemory", goMemory(),
		"goMaxProcs", runtime.GOMAXPROCS(0), "connections", h.Status().ConnectionsLimit)
}

// goMemory is the runtime's limit that holds, and 0 when there is none.
func goMemory() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return 0
	}
	return limit
}
