package apiserver

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// walSegmentBytes is preallocated at start; etcd's own 64 MiB would be most of a sandbox's disk use.
const walSegmentBytes = 4 << 20

// etcd's raft clock. The member is alone, so that it elects itself after one short timeout.
const (
	etcdTickMs     = 20
	etcdElectionMs = 100
)

// startEtcd runs etcd with its data in dataDir and its sockets in socketDir, and returns it once it accepts writes.
func startEtcd(ctx context.Context, dataDir, socketDir string) (*embed.Etcd, error) {
	setWALSegmentSize()
	c := embed.NewConfig()
	c.Dir = dataDir
	c.ListenClientUrls = []url.URL{socketURL(socketDir, clientSocket)}
	c.AdvertiseClientUrls = c.ListenClientUrls
	c.ListenPeerUrls = []url.URL{socketURL(socketDir, "peer.sock")}
	c.AdvertisePeerUrls = c.ListenPeerUrls
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.UnsafeNoFsync = true // the data does not outlive the process
	c.TickMs, c.ElectionMs = etcdTickMs, etcdElectionMs
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.New(zapcore.NewNopCore()))
	e, err := embed.StartEtcd(c)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case err := <-e.Err():
		e.Close()
		return nil, fmt.Errorf("start etcd: %w", err)
	case <-ctx.Done():
		e.Close()
		return nil, fmt.Errorf("wait for etcd: %w", ctx.Err())
	}
}

const clientSocket = "client.sock"

func socketURL(dir, name string) url.URL {
	return url.URL{Scheme: "unix", Path: filepath.Join(dir, name)}
}

// setWALSegmentSize sets it for the process, since etcd has no other way.
var setWALSegmentSize = sync.OnceFunc(func() { wal.SegmentSizeBytes = walSegmentBytes })
