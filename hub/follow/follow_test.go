package follow

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// patience bounds the wait for one state. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// following follows a file until the test ends, and returns where its contents and losses arrive.
func following(t *testing.T, path, content string) (contents <-chan string, losses <-chan error) {
	t.Helper()
	f := New(path, []byte(content))
	ctx, cancel := context.WithCancel(context.Background())
	seen, lost, done := make(chan string, 16), make(chan error, 16), make(chan error)
	go func() {
		done <- f.Run(ctx, func(b []byte) { seen <- string(b) }, func(err error) { lost <- err }, func(err error) { t.Error(err) })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return seen, lost
}

func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// content returns the next contents of a file that is written in place, which is empty for a moment.
func content(t *testing.T, from <-chan string) string {
	t.Helper()
	for {
		if got := next(t, from); got != "" {
			return got
		}
	}
}

func TestFollowsEveryWayOfSaving(t *testing.T) {
	ways := map[string]func(t *testing.T, path string){
		"in place": func(t *testing.T, path string) { write(t, path, "new") },
		"by a rename over it": func(t *testing.T, path string) {
			write(t, path+".tmp", "new")
			if err := os.Rename(path+".tmp", path); err != nil {
				t.Fatal(err)
			}
		},
		"by moving the old one aside": func(t *testing.T, path string) {
			if err := os.Rename(path, path+"~"); err != nil {
				t.Fatal(err)
			}
			write(t, path, "new")
		},
		"by removing it first": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, "new")
		},
	}
	for name, save := range ways {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f.yaml")
			write(t, path, "old")
			contents, _ := following(t, path, "old")
			save(t, path)
			if got := content(t, contents); got != "new" {
				t.Fatalf("got %q", got)
			}
			write(t, path, "newer") // it is still followed
			if got := content(t, contents); got != "newer" {
				t.Fatalf("got %q", got)
			}
		})
	}
}

func TestFollowsTheFileBehindALink(t *testing.T) {
	target := filepath.Join(t.TempDir(), "target.yaml")
	link := filepath.Join(t.TempDir(), "link.yaml")
	write(t, target, "old")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	contents, _ := following(t, link, "old")
	write(t, target, "new")
	if got := content(t, contents); got != "new" {
		t.Fatalf("got %q", got)
	}
}

func TestSeesAChangeFromBeforeTheWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	write(t, path, "new")
	contents, _ := following(t, path, "old")
	if got := content(t, contents); got != "new" {
		t.Fatalf("got %q", got)
	}
}

func TestSaysOnceThatTheFileIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	write(t, path, "old")
	contents, losses := following(t, path, "old")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := next(t, losses); !os.IsNotExist(err) {
		t.Fatalf("got %v", err)
	}
	write(t, path, "new")
	if got := content(t, contents); got != "new" {
		t.Fatalf("got %q", got)
	}
	if len(losses) != 0 {
		t.Errorf("said again: %v", <-losses)
	}
}

func TestTellsThatALostFileIsBackAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	write(t, path, "old")
	contents, losses := following(t, path, "old")
	if err := os.Rename(path, path+"~"); err != nil {
		t.Fatal(err)
	}
	if err := next(t, losses); !os.IsNotExist(err) {
		t.Fatalf("got %v", err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
	if got := content(t, contents); got != "old" {
		t.Fatalf("got %q", got)
	}
}

func TestADirectoryThatNeverRestsDelaysNothingForLong(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	write(t, path, "old")
	contents, _ := following(t, path, "old")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(settle / 4):
				if err := os.WriteFile(filepath.Join(dir, "noise"), []byte{byte(i)}, 0o600); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	defer func() {
		close(stop)
		<-done
	}()
	write(t, path, "new")
	if got := content(t, contents); got != "new" {
		t.Errorf("got %q", got)
	}
}

func TestTellsOfOtherDirectoriesToo(t *testing.T) {
	path, other := filepath.Join(t.TempDir(), "f.yaml"), filepath.Join(t.TempDir(), "other")
	write(t, path, "old")
	f := New(path, []byte("old"))
	news, done := make(chan struct{}, 64), make(chan error)
	f.Also(func() []string { return []string{other} }, func() { news <- struct{}{} })
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		done <- f.Run(ctx, func([]byte) { t.Error("the file has not changed") }, func(err error) { t.Error(err) }, func(err error) { t.Error(err) })
	}()
	next(t, news)
	mkdir(t, other)
	next(t, news)
	write(t, filepath.Join(other, "file"), "x")
	next(t, news)
	cancel()
	if err := next(t, done); err != nil {
		t.Error(err)
	}
}
