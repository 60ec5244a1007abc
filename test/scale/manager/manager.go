// Package manager runs the operator as a process of its own, with the rights of its ServiceAccount, and reads what it says of
// itself.
package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/runnel-dev/runnel/test/bench/process"
)

const (
	// stopTimeout bounds the operator's end. Its Deployment leaves it 10 s; a slow and busy machine may take longer.
	stopTimeout = 2 * time.Minute
	// servePoll is how often a starting operator is asked for its metrics.
	servePoll = 20 * time.Millisecond
)

// Options of an operator.
type Options struct {
	// Program is the path of its binary, and Args are further flags.
	Program string
	Args    []string
	// Config connects it to the API server, by its own token.
	Config *rest.Config
	// HubImage is what new hubs run.
	HubImage string
	// Dir takes its kubeconfig and log.
	Dir string
}

// Manager is a running operator.
type Manager struct {
	// Started is when its process was started.
	Started time.Time

	command           *exec.Cmd
	metrics, profiles string
	log               *os.File
	ended             chan struct{}
	err               error // why it ended; read after ended
}

// Start starts an operator and returns when it serves its metrics. It lives until Stop.
func Start(ctx context.Context, o Options) (*Manager, error) {
	m := &Manager{ended: make(chan struct{})}
	if err := m.start(ctx, o); err != nil {
		return nil, fmt.Errorf("operator: %w", err)
	}
	for {
		if _, err := m.Metrics(ctx); err == nil {
			return m, nil
		}
		select {
		case <-m.ended:
			return nil, fmt.Errorf("operator: it ended: %w; see %s", m.err, m.log.Name())
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("operator: it serves no metrics: %w", context.Cause(ctx)), m.Stop())
		case <-time.After(servePoll):
		}
	}
}

func (m *Manager) start(ctx context.Context, o Options) (err error) {
	kubeconfig := filepath.Join(o.Dir, "operator.kubeconfig")
	if err := write(kubeconfig, o.Config); err != nil {
		return err
	}
	if m.metrics, err = freeAddress(ctx); err != nil {
		return err
	}
	if m.profiles, err = freeAddress(ctx); err != nil {
		return err
	}
	if m.log, err = os.OpenFile(filepath.Join(o.Dir, "operator.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	args := append([]string{
		"--kubeconfig=" + kubeconfig, "--hub-image=" + o.HubImage, "--health-probe-bind-address=0",
		"--metrics-insecure", "--metrics-bind-address=" + m.metrics, "--pprof-bind-address=" + m.profiles,
	}, o.Args...)
	m.command = exec.Command(o.Program, args...)
	m.command.Stdout, m.command.Stderr = m.log, m.log
	m.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.Started = time.Now()
	if err := m.command.Start(); err != nil {
		return errors.Join(err, m.log.Close())
	}
	go func() {
		m.err = m.command.Wait()
		close(m.ended)
	}()
	return nil
}

// Stop has the operator end as a kubelet does.
func (m *Manager) Stop() error {
	_ = m.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-m.ended:
	case <-time.After(stopTimeout):
		_ = m.command.Process.Kill() // it may have ended
		<-m.ended
	}
	err := m.log.Close()
	if m.err != nil {
		err = errors.Join(err, fmt.Errorf("operator: %w; see %s", m.err, m.log.Name()))
	}
	return err
}

// Usage is the CPU time that it has used and the memory that it holds.
func (m *Manager) Usage() (process.Usage, error) { return process.Measure(m.command.Process.Pid) }

// freeAddress is one of this machine that nobody listens on now.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func write(path string, c *rest.Config) error {
	const name = "operator"
	k := clientcmdapi.NewConfig()
	k.Clusters[name] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
	k.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: c.BearerToken}
	k.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	k.CurrentContext = name
	return clientcmd.WriteToFile(*k, path)
}
