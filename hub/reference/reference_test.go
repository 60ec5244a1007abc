package reference_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/follow"
	"github.com/runnel-dev/runnel/hub/reference"
)

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

var token = config.Reference{Kind: config.KindSecret, Name: "shop-ci", Key: "token"}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, content string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(t, os.WriteFile(file, []byte(content), 0o600))
}

// mount fills a directory as a kubelet does: files are links into a directory that is swapped as a whole.
func mount(t *testing.T, dir, version string, entries map[string]string) {
	t.Helper()
	for key, content := range entries {
		write(t, content, dir, ".."+version, key)
	}
	must(t, os.MkdirAll(filepath.Join(dir, ".."+version), 0o700))
	must(t, os.Symlink(".."+version, filepath.Join(dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	for key := range entries {
		err := os.Symlink(filepath.Join("..data", key), filepath.Join(dir, key))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
}

func TestReadsEachKind(t *testing.T) {
	root := t.TempDir()
	write(t, "secret\n", root, "secrets", "shop-ci", "token")
	write(t, "public", root, "configmaps", "shop-ci", "token")
	mounted := config.Reference{Kind: config.KindSecret, Name: "mounted", Key: "a.B_c-1"}
	mount(t, filepath.Join(root, "secrets", "mounted"), "1", map[string]string{mounted.Key: "behind links"})
	for r, want := range map[config.Reference]string{
		token: "secret\n", {Kind: config.KindConfigMap, Name: "shop-ci", Key: "token"}: "public", mounted: "behind links",
	} {
		if got, err := reference.In(root).Read(r); err != nil || string(got) != want {
			t.Errorf("%v: %q, %v", r, got, err)
		}
	}
}

func TestMissing(t *testing.T) {
	root := t.TempDir()
	write(t, " \n", root, "secrets", "empty", "token")
	must(t, os.MkdirAll(filepath.Join(root, "secrets", "optional"), 0o700))
	for name, dir := range map[string]reference.Dir{"optional": reference.In(root), "absent": reference.In(root), "empty": reference.In(root),
		"nowhere": reference.In(filepath.Join(root, "nowhere")), "zero": {}} {
		if got, err := dir.Read(config.Reference{Kind: config.KindSecret, Name: name, Key: "token"}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestUnusable(t *testing.T) {
	root := t.TempDir()
	secrets := filepath.Join(root, "secrets", "s")
	write(t, strings.Repeat("x", 1<<20), secrets, "full")
	write(t, strings.Repeat("x", 1<<20+1), secrets, "large")
	must(t, os.Mkdir(filepath.Join(secrets, "directory"), 0o700))
	must(t, syscall.Mkfifo(filepath.Join(secrets, "pipe"), 0o600))
	write(t, "outside", root, "outside")
	of := func(name, key string) config.Reference {
		return config.Reference{Kind: config.KindSecret, Name: name, Key: key}
	}
	if got, err := reference.In(root).Read(of("s", "full")); err != nil || len(got) != 1<<20 {
		t.Errorf("as large as a Secret may be: %d bytes, %v", len(got), err)
	}
	for r, want := range map[config.Reference]string{
		of("s", "large"):                      "larger than 1048576 bytes",
		of("s", "directory"):                  "no regular file",
		of("s", "pipe"):                       "no regular file",
		of("..", "outside"):                   "name",
		of("s/../..", "outside"):              "name",
		of("", "s"):                           "name",
		of("s", "../../outside"):              "key",
		of("s", ".."):                         "key",
		of("s", "..data"):                     "key",
		of("s", "."):                          "key",
		of("s", ""):                           "key",
		{Kind: "Pod", Name: "s", Key: "full"}: "kind",
	} {
		if got, err := reference.In(root).Read(r); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %d bytes, %v, want %q", r, len(got), err, want)
		}
	}
}

func TestSnapshotsAgreeUntilAnEntryChanges(t *testing.T) {
	root := t.TempDir()
	dir, both := reference.In(root), []config.Reference{token, {Kind: config.KindConfigMap, Name: "a", Key: "b"}}
	snapshots := []reference.Snapshot{dir.Snapshot(nil), dir.Snapshot(both)}
	write(t, "one", root, "secrets", token.Name, token.Key)
	snapshots = append(snapshots, dir.Snapshot(both))
	write(t, "two", root, "secrets", token.Name, token.Key)
	snapshots = append(snapshots, dir.Snapshot(both))
	for i, a := range snapshots {
		for j, b := range snapshots {
			if a.Equal(b) != (i == j) {
				t.Errorf("snapshots %d and %d are equal: %t", i, j, i != j)
			}
		}
	}
	if got, err := snapshots[2].Read(token); err != nil || string(got) != "one" {
		t.Errorf("a snapshot has changed: %q, %v", got, err)
	}
	if _, err := snapshots[0].Read(token); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("never looked for: %v", err)
	}
	if !dir.Snapshot(both).Equal(snapshots[3]) {
		t.Error("nothing has changed")
	}
}

func TestEveryWayThatAnEntryChangesIsNoticed(t *testing.T) {
	for name, c := range map[string]struct{ before, change func(*testing.T, string) }{
		"plain file, edited": {
			func(t *testing.T, root string) { write(t, "old", root, "secrets", "shop-ci", "token") },
			func(t *testing.T, root string) { write(t, "new", root, "secrets", "shop-ci", "token") },
		},
		"from nothing at all": {
			func(*testing.T, string) {},
			func(t *testing.T, root string) { write(t, "new", root, "secrets", "shop-ci", "token") },
		},
		"into an empty mount": {
			func(t *testing.T, root string) {
				must(t, os.MkdirAll(filepath.Join(root, "secrets", "shop-ci"), 0o700))
			},
			func(t *testing.T, root string) {
				mount(t, filepath.Join(root, "secrets", "shop-ci"), "1", map[string]string{"token": "new"})
			},
		},
		"by a swap": {
			func(t *testing.T, root string) {
				mount(t, filepath.Join(root, "secrets", "shop-ci"), "1", map[string]string{"token": "old"})
			},
			func(t *testing.T, root string) {
				mount(t, filepath.Join(root, "secrets", "shop-ci"), "2", map[string]string{"token": "new"})
			},
		},
		"by a swap, as a further key": {
			func(t *testing.T, root string) {
				mount(t, filepath.Join(root, "secrets", "shop-ci"), "1", map[string]string{"user": "old"})
			},
			func(t *testing.T, root string) {
				mount(t, filepath.Join(root, "secrets", "shop-ci"), "2", map[string]string{"user": "old", "token": "new"})
			},
		},
		"a directory moved into place": {
			func(t *testing.T, root string) {
				write(t, "new", root, "..", "aside", "token")
				must(t, os.MkdirAll(filepath.Join(root, "secrets"), 0o700))
			},
			func(t *testing.T, root string) {
				must(t, os.Rename(filepath.Join(root, "..", "aside"), filepath.Join(root, "secrets", "shop-ci")))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "references")
			c.before(t, root)
			news := watching(t, reference.In(root))
			c.change(t, root)
			await(t, news, root, "new")
			must(t, os.Remove(filepath.Join(root, "secrets", "shop-ci", "token"))) // and it goes on
			write(t, "newest", root, "secrets", "shop-ci", "token")
			await(t, news, root, "newest")
		})
	}
}

// watching returns where news arrives until the test ends.
func watching(t *testing.T, dir reference.Dir) <-chan struct{} {
	t.Helper()
	w := follow.NewWatch(dir.Directories)
	ctx, cancel := context.WithCancel(context.Background())
	news, done := make(chan struct{}, 64), make(chan error)
	go func() { done <- w.Run(ctx, func() { news <- struct{}{} }, func(err error) { t.Error(err) }) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	<-news // of what was there before
	return news
}

// await reads the token at each news until it is as wanted.
func await(t *testing.T, news <-chan struct{}, root, want string) {
	t.Helper()
	for limit := time.After(patience); ; {
		select {
		case <-news:
		case <-limit:
			t.Fatalf("nobody told that the token is %q", want)
		}
		if got, err := reference.In(root).Read(token); err == nil && bytes.Equal(got, []byte(want)) {
			return
		}
	}
}
