// Command brief copies the output of go test from its standard input to a file, and to its standard output what fits on a screen of each
// failure:
//
//	go test ./... 2>&1 | brief bin/failed/go-test.log
//
// Each package's result is printed whole. The file is there for what was left out, and removed if nothing was.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// One failure takes screenLines lines, at most, and a line screenColumns bytes besides its colors.
const (
	screenLines   = 40
	screenColumns = 1000
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "brief: name the file for the whole output, such as: go test ./... 2>&1 | brief bin/failed/go-test.log")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "brief:", err)
		os.Exit(1)
	}
}

// run copies in to a file, and what is brief of it to out.
func run(path string, in io.Reader, out io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	b := brief{out: out, path: path}
	err = b.copy(bufio.NewReader(in), file)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil && !b.left {
		err = os.Remove(path)
	}
	return err
}

// brief prints the first lines of each failure.
type brief struct {
	out  io.Writer
	path string
	line int  // number of the line that was read last
	of   int  // number of lines of this failure so far
	left bool // something was left out
}

func (b *brief) copy(in *bufio.Reader, file io.Writer) error {
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			if _, err := file.Write(line); err != nil {
				return err
			}
			if err := b.print(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (b *brief) print(line []byte) (err error) {
	b.line++
	plain := color.ReplaceAll(line, nil)
	if first.Match(plain) {
		b.of = 0
	}
	b.of++
	switch {
	case b.of > screenLines+1:
	case b.of > screenLines:
		b.left = true
		_, err = fmt.Fprintf(b.out, "… more from line %d of %s\n", b.line, b.path)
	case len(plain) > screenColumns:
		b.left = true
		_, err = fmt.Fprintf(b.out, "%s… more in line %d of %s\n", strings.ToValidUTF8(string(plain[:screenColumns]), ""), b.line, b.path)
	default:
		_, err = fmt.Fprintf(b.out, "%s\n", line)
	}
	return err
}

var (
	// color is what a terminal takes for a color.
	color = regexp.MustCompile(`\x1b\[[0-9;]*m`)
	// first matches the first line of a failure, of a result, or of a part of Ginkgo's report.
	first = regexp.MustCompile(`^( *--- (FAIL|PASS|SKIP)|=== |ok  |FAIL|\?   |PASS|panic: |fatal error: |WARNING: DATA RACE|-{30}$| *<< |Summarizing \d|Ran \d)`)
)
