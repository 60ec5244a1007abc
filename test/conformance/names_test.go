package conformance_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNamesInTheREADME holds that each test which the README says shows something is there.
func TestNamesInTheREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, contract, ok := strings.Cut(string(readme), "| shown by |")
	if !ok {
		t.Fatal("README.md has no table of what shows the contract")
	}
	var tests strings.Builder
	for _, dir := range []string{"../../hub", "../../cmd", "../browser", "../e2e", "."} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			tests.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	found := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`|\"([^\"\n]+)\"").FindAllStringSubmatch(contract, -1)
	if len(found) == 0 {
		t.Fatal("the table names no tests")
	}
	for _, name := range found {
		want := "func " + name[1] + "("
		if name[2] != "" {
			want = name[2] + `"`
		}
		if !strings.Contains(tests.String(), want) {
			t.Errorf("there is no %s%s", name[1], name[2])
		}
	}
}
