package kubelet

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// spawner starts every process from one thread that lives as long as the node. Linux sends a process its parent-death
// signal when the thread that started it ends, so it must be no thread that the Go runtime may end.
type spawner struct {
	orders chan order
	quit   chan struct{}
}

type order struct {
	cmd  *exec.Cmd
	done chan error
}

func newSpawner() *spawner {
	return &spawner{orders: make(chan order), quit: make(chan struct{})}
}

func (s *spawner) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case o := <-s.orders:
			o.done <- o.cmd.Start()
		case <-s.quit:
			return
		}
	}
}

// stop ends run. No process may be started any more, and all must have ended.
func (s *spawner) stop() { close(s.quit) }

// start starts cmd as the leader of a process group of its own, which is killed when this process dies.
func (s *spawner) start(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	o := order{cmd, make(chan error, 1)}
	select {
	case s.orders <- o:
	case <-s.quit:
		return nil, errors.New("the node stops")
	}
	if err := <-o.done; err != nil {
		return nil, err
	}
	return &process{cmd: cmd}, nil
}

// process is a started process and its group.
type process struct {
	cmd *exec.Cmd

	mu     sync.Mutex
	reaped bool // its number may belong to another process now
}

// wait returns when the process has ended, after what is left of its group was killed, as the end of a container's
// first process ends all of its others. It is called once.
func (p *process) wait() (code, signal int32) {
	err := p.cmd.Wait()
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	// A group outlives its leader under the same number as long as it has a member, and does not exist otherwise.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	if err == nil {
		return 0, 0
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		return 1, 0
	}
	if status.Signaled() {
		return 128 + int32(status.Signal()), int32(status.Signal())
	}
	return int32(status.ExitStatus()), 0
}

// signal sends a signal to the whole group; to a process that has ended it does nothing.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.cmd.Process.Pid, s) // fails only if the group has just ended
	}
}
