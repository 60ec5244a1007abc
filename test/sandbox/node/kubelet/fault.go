package kubelet

import (
	"fmt"
	"syscall"
)

// Signal sends a signal to all processes of a pod, at once and behind the kubelet's back: SIGKILL is a crash, SIGSTOP
// a machine that hangs. It is an error if the pod has no process.
func (k *Kubelet) Signal(namespace, pod string, signal syscall.Signal) error {
	w, err := k.worker(namespace, pod)
	if err != nil {
		return err
	}
	sent := make(chan int, 1)
	select {
	case w.posts <- func() {
		n := 0
		for _, c := range w.containers {
			if c.process != nil {
				c.signal(signal)
				n++
			}
		}
		sent <- n
	}:
	case <-w.done:
		return fmt.Errorf("pod %s/%s has ended: name one that runs", namespace, pod)
	}
	if <-sent == 0 {
		return fmt.Errorf("pod %s/%s has no process: wait until it runs", namespace, pod)
	}
	return nil
}
