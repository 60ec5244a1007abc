//go:build linux

package process_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/test/bench/process"
)

func TestAProcessIsMeasured(t *testing.T) {
	before, err := process.Measure(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, 64<<20)
	for i := range memory {
		memory[i] = byte(i)
	}
	after, err := process.Measure(os.Getpid())
	if err != nil || after.CPU <= before.CPU || after.RSS < before.RSS+int64(len(memory))/2 {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
	if used, err := process.CPU(os.Getpid()); err != nil || used < after.CPU {
		t.Errorf("%v, before %v, %v", used, after.CPU, err)
	}
	if _, err := process.Measure(1 << 30); err == nil {
		t.Error("a process that is not there is measured")
	}
}

func TestSocketsAreCounted(t *testing.T) {
	before, err := process.Descriptors(os.Getpid(), process.Socket)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := process.Descriptors(os.Getpid(), process.Socket); err != nil || n != before+1 {
		t.Errorf("%d, before %d, %v", n, before, err)
	}
	_ = l.Close()
	if n, err := process.Descriptors(os.Getpid(), process.Socket); err != nil || n != before {
		t.Errorf("%d, before %d, %v", n, before, err)
	}
}

func TestACommandStaysOnItsCore(t *testing.T) {
	cores, err := process.Cores()
	if err != nil || len(cores) == 0 {
		t.Fatalf("%v, %v", cores, err)
	}
	for _, core := range cores {
		c := exec.Command("grep", "Cpus_allowed_list", "/proc/self/status")
		var out bytes.Buffer
		c.Stdout = &out
		if err := process.Start(c, core); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err != nil {
			t.Fatal(err)
		}
		if _, got, _ := strings.Cut(out.String(), ":"); strings.TrimSpace(got) != string(rune('0'+core)) && core < 10 {
			t.Errorf("core %d: %q", core, out.String())
		}
	}
	if now, err := process.Cores(); err != nil || !slices.Equal(now, cores) {
		t.Errorf("this process is left on %v of %v, %v", now, cores, err)
	}
}
