package kubelet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// logPoll is how often a followed log is looked at: the process writes to the file directly, so nobody tells.
const logPoll = 100 * time.Millisecond

// Logs opens a container's log for reading: stdout and stderr of its present run, or of the one before with Previous.
// With Follow it goes on until that run ends or ctx is done. TailLines and LimitBytes are honoured; SinceSeconds,
// SinceTime and Timestamps are an error, since the lines bear no times. Errors are API errors that kubectl prints.
func (k *Kubelet) Logs(ctx context.Context, namespace, pod, container string, o *corev1.PodLogOptions) (io.ReadCloser, error) {
	if o == nil {
		o = &corev1.PodLogOptions{}
	}
	if o.SinceSeconds != nil || o.SinceTime != nil || o.Timestamps {
		return nil, apierrors.NewBadRequest("the sandbox keeps no times of log lines: leave out --since, --since-time and --timestamps")
	}
	at, err := k.logFile(namespace, pod, container, o.Previous)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(at)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("log of container %q in pod %q: %v", container, pod, err))
	}
	if o.TailLines != nil {
		if err := seekTail(f, *o.TailLines); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	l := &logReader{File: f, Reader: f}
	if o.Follow {
		l.Reader = &follower{ctx: ctx, file: f}
	}
	if o.LimitBytes != nil {
		l.Reader = io.LimitReader(l.Reader, *o.LimitBytes)
	}
	return l, nil
}

// LogFile is the path of the log of a container's present run. It is gone once the pod is deleted.
func (k *Kubelet) LogFile(namespace, pod, container string) (string, error) {
	return k.logFile(namespace, pod, container, false)
}

func (k *Kubelet) logFile(namespace, name, container string, previous bool) (string, error) {
	pod, err := k.pods.Pods(namespace).Get(name)
	if err != nil {
		return "", err
	}
	var all []string
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			all = append(all, list[i].Name)
		}
	}
	switch {
	case container == "" && len(pod.Spec.Containers) == 1:
		container = pod.Spec.Containers[0].Name
	case container == "":
		return "", apierrors.NewBadRequest(fmt.Sprintf("a container name must be specified for pod %s, choose one of: %v", name, all))
	case !slices.Contains(all, container):
		return "", apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s, choose one of: %v", container, name, all))
	}
	runs := logRuns(filepath.Join(k.podDir(pod.UID), "logs", container))
	back := 1
	if previous {
		back = 2
	}
	if len(runs) < back {
		if previous {
			return "", apierrors.NewBadRequest(fmt.Sprintf("previous terminated container %q in pod %q not found", container, name))
		}
		return "", apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start", container, name))
	}
	return runs[len(runs)-back], nil
}

// logRuns are the logs in a directory, the oldest first.
func logRuns(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	number := func(e os.DirEntry) int {
		n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".log"))
		if err != nil {
			return -1
		}
		return n
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return number(a) - number(b) })
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = filepath.Join(dir, e.Name())
	}
	return out
}

type logReader struct {
	*os.File
	io.Reader
}

func (l *logReader) Read(p []byte) (int, error) { return l.Reader.Read(p) }

// follower reads a file that grows, until nobody may write it any more.
type follower struct {
	ctx  context.Context
	file *os.File
}

func (f *follower) Read(p []byte) (int, error) {
	for {
		// The order matters: what was written before the log was closed is read after it.
		info, err := f.file.Stat()
		if err != nil {
			return 0, err
		}
		n, err := f.file.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		if info.Mode()&0o200 == 0 || !sleep(f.ctx, logPoll) {
			return 0, io.EOF
		}
	}
}

// seekTail puts the file's position at the beginning of its last lines.
func seekTail(f *os.File, lines int64) error {
	const block = 64 << 10
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || lines <= 0 {
		return err
	}
	buffer := make([]byte, block)
	for start := end; start > 0; {
		n := min(start, block)
		start -= n
		if _, err := f.ReadAt(buffer[:n], start); err != nil {
			return err
		}
		part := buffer[:n]
		if start+n == end { // the newline that ends the last line begins no other
			part = bytes.TrimSuffix(part, []byte("\n"))
		}
		for i := bytes.LastIndexByte(part, '\n'); i >= 0; i = bytes.LastIndexByte(part[:i], '\n') {
			if lines--; lines == 0 {
				_, err := f.Seek(start+int64(i)+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}
