//go:build linux || darwin

package process_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/runnel-dev/runnel/hub/process"
)

const mebibyte = 1 << 20

func TestConnections(t *testing.T) {
	for name, c := range map[string]struct {
		limits process.Limits
		use    process.Use
		want   int
	}{
		"nothing known":                    {process.Limits{}, process.Use{Retention: 64 * mebibyte}, 0},
		"configured alone":                 {process.Limits{}, process.Use{Connections: 7, Retention: 64 * mebibyte}, 7},
		"configured":                       {process.Limits{Descriptors: 20000, Memory: 512 * mebibyte}, process.Use{Connections: 7}, 7},
		"configured beyond memory":         {process.Limits{Descriptors: 1 << 20, Memory: 128 * mebibyte}, process.Use{Connections: 20000, Retention: 64 * mebibyte}, 20000},
		"configured beyond descriptors":    {process.Limits{Descriptors: 1024}, process.Use{Connections: 20000}, 1024 - 64 - 32},
		"descriptors":                      {process.Limits{Descriptors: 20000}, process.Use{Retention: 64 * mebibyte}, 20000 - 64 - 625},
		"hardly a descriptor":              {process.Limits{Descriptors: 60}, process.Use{}, 1},
		"descriptors without end":          {process.Limits{Descriptors: 1<<64 - 1}, process.Use{}, 1<<31 - 1 - 64 - 1<<26 + 1},
		"memory of 512Mi":                  {process.Limits{Memory: 512 * mebibyte}, process.Use{Retention: 64 * mebibyte}, 44730},
		"memory of 512Mi, encrypted":       {process.Limits{Memory: 512 * mebibyte}, process.Use{Retention: 64 * mebibyte, Encrypted: true}, 13548},
		"memory of 512Mi, more retention":  {process.Limits{Memory: 512 * mebibyte}, process.Use{Retention: 256 * mebibyte}, 13523},
		"memory that is less than history": {process.Limits{Memory: 64 * mebibyte}, process.Use{Retention: 64 * mebibyte}, 100},
		"the narrower of both":             {process.Limits{Descriptors: 1024, Memory: 512 * mebibyte}, process.Use{Retention: 64 * mebibyte}, 928},
	} {
		if got := c.limits.Connections(c.use); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestOthers(t *testing.T) {
	for name, c := range map[string]struct {
		descriptors uint64
		use         process.Use
		want        int
	}{
		"nothing known":            {0, process.Use{}, 0},
		"few subscribers":          {1024, process.Use{Connections: 100}, (1024 - 64 - 100) / 2},
		"as many as there may be":  {20000, process.Use{}, 625 / 2},
		"hardly a descriptor":      {60, process.Use{}, 8},
		"descriptors without end":  {1<<64 - 1, process.Use{}, (1<<26 - 1) / 2},
		"a limit that is too high": {1 << 20, process.Use{Connections: 1 << 30}, 1 << 14},
	} {
		limits := process.Limits{Descriptors: c.descriptors}
		if got := limits.Others(limits.Connections(c.use)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestGoMemory(t *testing.T) {
	for name, c := range map[string]struct {
		memory  uint64
		use     process.Use
		readers int
		want    int64
	}{
		"none":                           {0, process.Use{}, 1000, 0},
		"no readers":                     {512 * mebibyte, process.Use{Retention: 64 * mebibyte}, 0, 480 * mebibyte},
		"some readers":                   {512 * mebibyte, process.Use{Retention: 64 * mebibyte}, 20480, 360 * mebibyte},
		"more sockets than memory":       {512 * mebibyte, process.Use{Retention: 64 * mebibyte}, 102400, (56 + 80 + 187.5) * mebibyte},
		"more sockets, encrypted":        {512 * mebibyte, process.Use{Retention: 64 * mebibyte, Encrypted: true}, 16384, (56 + 80 + 320) * mebibyte},
		"less memory than the hub needs": {64 * mebibyte, process.Use{Retention: 64 * mebibyte}, 100, 60 * mebibyte},
	} {
		if got := (process.Limits{Memory: c.memory}).GoMemory(c.use, c.readers); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestReadersFit holds that readers whose number is left to the limits fit the memory with their sockets and all events, however much
// there is.
func TestReadersFit(t *testing.T) {
	const socket = 6 << 10
	for memory := uint64(160 * mebibyte); memory < 64<<30; memory *= 2 {
		for _, u := range []process.Use{{Retention: 64 * mebibyte}, {Retention: 64 * mebibyte, Encrypted: true}} {
			limits := process.Limits{Memory: memory}
			readers := limits.Connections(u)
			if all := limits.GoMemory(u, readers) + int64(readers)*socket; all > int64(memory)*15/16 {
				t.Errorf("%d readers %+v take %d bytes of %d", readers, u, all, memory)
			}
		}
	}
}

func TestReadRaisesDescriptors(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &before) })
	low := unix.Rlimit{Cur: before.Max / 2, Max: before.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	limits, err := process.Read()
	if err != nil {
		t.Fatal(err)
	}
	var after unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &after); err != nil {
		t.Fatal(err)
	}
	if limits.Descriptors != before.Max || after.Cur != before.Max {
		t.Errorf("%d, and %d hold: want %d", limits.Descriptors, after.Cur, before.Max)
	}
}
