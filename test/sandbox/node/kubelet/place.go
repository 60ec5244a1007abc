package kubelet

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// hookOutput bounds what of a probed program's or page's output goes into an event.
const hookOutput = 1 << 10

// place is where one run of a container takes place: all that is needed to run a command there or to talk to it. It
// does not change, so probes and hooks may use it from their own goroutines.
type place struct {
	env     *environment
	mounts  mounts
	image   Image
	dir     string
	ip      string
	ports   []corev1.ContainerPort
	spawner *spawner
}

func (w *worker) place(ctx context.Context, c *corev1.Container, image Image) (*place, error) {
	ms, err := newMounts(c, w.volumeDir, w.treeDir(c.Name))
	if err != nil {
		return nil, err
	}
	if err := ms.link(); err != nil {
		return nil, err
	}
	env, err := w.environment(ctx, c, image, ms)
	if err != nil {
		return nil, err
	}
	home := w.homeDir(c.Name)
	if err := os.MkdirAll(filepath.Join(home, "tmp"), 0o755); err != nil {
		return nil, err
	}
	dir := home
	if c.WorkingDir != "" {
		var mounted bool
		if dir, mounted = ms.path(c.WorkingDir); !mounted {
			dir = filepath.Join(image.Root, c.WorkingDir)
		}
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("workingDir: %w", err)
		}
	}
	return &place{env: env, mounts: ms, image: image, dir: dir, ip: w.ip, ports: c.Ports, spawner: w.k.spawner}, nil
}

// words are the container's command and arguments, with variables expanded.
func (p *place) words(c *corev1.Container) []string {
	var out []string
	command := c.Command
	if len(command) == 0 {
		command = p.image.Entrypoint
	}
	out = append(out, command...)
	switch {
	case len(c.Args) > 0:
		out = append(out, c.Args...)
	case len(c.Command) == 0:
		out = append(out, p.image.Args...)
	}
	for i := range out {
		out[i] = p.env.expand(out[i])
	}
	return out
}

// command makes a command that runs here; it is an error if there is no such program.
func (p *place) command(words []string) (*exec.Cmd, error) {
	program, err := p.image.executable(words[0], p.mounts)
	if err != nil {
		return nil, err
	}
	return &exec.Cmd{Path: program, Args: p.mounts.rewriteAll(words), Env: p.env.list(), Dir: p.dir}, nil
}

// hook runs a preStop handler to its end.
func (p *place) hook(ctx context.Context, h *corev1.LifecycleHandler) error {
	switch {
	case h.Sleep != nil:
		t := time.NewTimer(time.Duration(h.Sleep.Seconds) * time.Second)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		return nil
	case h.Exec != nil:
		return p.exec(ctx, h.Exec.Command)
	case h.HTTPGet != nil:
		return p.httpGet(ctx, h.HTTPGet)
	}
	return fmt.Errorf("the sandbox has no such handler: use sleep, exec or httpGet")
}

// check runs a probe's handler once.
func (p *place) check(ctx context.Context, h *corev1.ProbeHandler) error {
	switch {
	case h.HTTPGet != nil:
		return p.httpGet(ctx, h.HTTPGet)
	case h.TCPSocket != nil:
		return p.tcpSocket(ctx, h.TCPSocket)
	case h.Exec != nil:
		return p.exec(ctx, h.Exec.Command)
	}
	return nil
}

func (p *place) exec(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("exec: write a command")
	}
	cmd, err := p.command(words)
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(p.dir, ".exec-")
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	if err := os.Remove(out.Name()); err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out, out
	started, err := p.spawner.start(cmd)
	if err != nil {
		return err
	}
	kill := context.AfterFunc(ctx, func() { started.signal(killSignal) })
	code, _ := started.wait()
	kill()
	if ctx.Err() != nil {
		return fmt.Errorf("command %q timed out", words)
	}
	if code == 0 {
		return nil
	}
	text := make([]byte, hookOutput)
	n, _ := out.ReadAt(text, 0)
	return fmt.Errorf("command %q exited with %d: %s", words, code, strings.TrimSpace(string(text[:n])))
}

func (p *place) tcpSocket(ctx context.Context, a *corev1.TCPSocketAction) error {
	at, err := p.target(a.Host, a.Port)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (p *place) httpGet(ctx context.Context, a *corev1.HTTPGetAction) error {
	at, err := p.target(a.Host, a.Port)
	if err != nil {
		return err
	}
	scheme := "http"
	if a.Scheme == corev1.URISchemeHTTPS {
		scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+at+"/"+strings.TrimPrefix(a.Path, "/"), nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "kube-probe/1.37")
	r.Header.Set("Accept", "*/*")
	for _, h := range a.HTTPHeaders {
		if http.CanonicalHeaderKey(h.Name) == "Host" {
			r.Host = h.Value
		}
		r.Header.Add(h.Name, h.Value)
	}
	// A kubelet probes on a connection of its own each time, and does not verify the certificate.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // see above
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, hookOutput))
	if answer.StatusCode < http.StatusOK || answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("HTTP probe failed with statuscode: %d: %s", answer.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}

// target is host and port of a handler: by default the pod's address, and a port may be named.
func (p *place) target(host string, port intstr.IntOrString) (string, error) {
	if host == "" {
		host = p.ip
	}
	if port.Type == intstr.Int {
		return net.JoinHostPort(host, port.String()), nil
	}
	for _, c := range p.ports {
		if c.Name == port.StrVal {
			return net.JoinHostPort(host, fmt.Sprint(c.ContainerPort)), nil
		}
	}
	return "", fmt.Errorf("the container has no port named %q", port.StrVal)
}
