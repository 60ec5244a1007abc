package suite

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/onsi/ginkgo/v2"
)

// A failure's message is printed whole up to this size; of a longer one the beginning is printed, and the whole goes to a file.
const (
	screenLines = 30
	screenBytes = 4000
)

// logName is the file that Log writes to.
const logName = "log"

// directory holds the files of one suite.
type directory struct {
	mu    sync.Mutex // guards what follows
	path  string     // empty after the suite: what still comes is discarded
	log   *os.File
	count int
}

// files are those of the suite that runs; a Go test has no more than one.
var files directory

// begin takes the directory of a suite, and removes what an earlier run left there.
func (d *directory) begin(suite string) {
	_, file, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(file), "..", "..", "bin", "failed", fileName(suite))
	_ = os.RemoveAll(path) // at worst, files of two runs stand side by side
	d.mu.Lock()
	defer d.mu.Unlock()
	d.path = path
}

// remove removes the directory of a suite that has passed.
func (d *directory) remove() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.log != nil {
		_ = d.log.Close() // its content is removed
		d.log = nil
	}
	_ = os.RemoveAll(d.path) // the next run removes what is left
	d.path = ""
}

// write writes a file and returns its path.
func (d *directory) write(name, text string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	path := filepath.Join(d.path, fmt.Sprintf("%03d-%s.txt", d.count, fileName(name)))
	return path, cmp.Or(os.MkdirAll(d.path, 0o755), os.WriteFile(path, []byte(text), 0o644))
}

// Write appends to the suite's log. It implements io.Writer.
func (d *directory) Write(text []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.path == "" {
		return len(text), nil
	}
	if d.log == nil {
		if err := os.MkdirAll(d.path, 0o755); err != nil {
			return 0, err
		}
		var err error
		if d.log, err = os.OpenFile(filepath.Join(d.path, logName), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
			return 0, err
		}
	}
	return d.log.Write(text)
}

// fileName returns a text as a part of a file's name.
func fileName(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, text)
}

// Keep writes a text to a file, and the path of the file to the output of the running spec, which Ginkgo prints if the spec fails.
func Keep(name, text string) {
	path, err := files.write(name, text)
	if err != nil {
		path = err.Error()
	}
	ginkgo.GinkgoWriter.Printf("%s (%d lines): %s\n", name, strings.Count(text, "\n"), path)
}

// Log returns a writer to the suite's log file, for what programs and libraries print all the time. It may be used by any goroutine.
func Log() io.Writer { return &files }

// Logger returns a logger to the suite's log file.
func Logger() logr.Logger {
	return funcr.New(func(prefix, args string) { _, _ = fmt.Fprintln(Log(), prefix, args) }, funcr.Options{LogTimestamp: true})
}

// fail fails the running spec with a message of at most a screen.
func fail(message string, callerSkip ...int) {
	skip := 1
	if len(callerSkip) > 0 {
		skip += callerSkip[0]
	}
	ginkgo.Fail(shortened(message), skip)
}

// shortened returns a message as it is if it fits on a screen, or else its beginning with the path of a file that has all of it.
func shortened(message string) string {
	short := cut(message)
	if short == message {
		return message
	}
	path, err := files.write("message", message)
	if err != nil {
		path = err.Error()
	}
	return fmt.Sprintf("%s\n… the whole message (%d lines, %d bytes): %s", short, strings.Count(message, "\n")+1, len(message), path)
}

// cut returns the beginning of a text, of screenLines and screenBytes at most.
func cut(text string) string {
	if len(text) > screenBytes {
		text = strings.ToValidUTF8(text[:screenBytes], "")
	}
	if lines := strings.SplitAfterN(text, "\n", screenLines+1); len(lines) > screenLines {
		text = strings.TrimSuffix(strings.Join(lines[:screenLines], ""), "\n")
	}
	return text
}
