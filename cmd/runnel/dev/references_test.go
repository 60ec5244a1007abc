package dev

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keyed is a stream to which one key may publish.
const keyed = head + "spec:\n  topics: [{name: orders}]\n  auth:\n    subscribers: {anonymous: {}}\n" +
	"    publishers: {keys: [{name: ci, secretRef: {name: shop-ci, key: token}, topics: [orders]}]}\n"

// postBy publishes to orders by a key and returns the status.
func (r *running) postBy(t *testing.T, key, data string) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, r.publish+"/v1/topics/orders", strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestReferencesAreFilesOfADirectory(t *testing.T) {
	references := filepath.Join(t.TempDir(), "references")
	token := filepath.Join(references, "secrets", "shop-ci", "token")
	r := startWith(t, keyed, Options{References: references})
	lines := r.events(t, "orders")
	r.out.await(t, "Waiting for Secret shop-ci, key token: put it into "+token+".\n")
	if err := os.MkdirAll(filepath.Dir(token), 0o700); err != nil {
		t.Fatal(err)
	}
	const key = "0123456789abcdef"
	write(t, token, key+"\n")
	r.out.await(t, "All that the manifest refers to is there.\n")
	if got := r.postBy(t, key, "by a key"); got != http.StatusOK {
		t.Errorf("publish: %d", got)
	}
	awaitLine(t, lines, "data: by a key")
	write(t, token, "short")
	r.out.await(t, "Refused: Secret shop-ci, key token: a key of 5 bytes")
}

func TestReferencesMayBeInTheManifest(t *testing.T) {
	const first, second = "0123456789abcdef", "fedcba9876543210"
	secret := func(key string) string {
		return "---\napiVersion: v1\nkind: Secret\nmetadata: {name: shop-ci}\nstringData: {token: " + key + ", other: x}\n"
	}
	references := filepath.Join(t.TempDir(), "references")
	r := startWith(t, keyed+secret(first), Options{References: references})
	if got := r.postBy(t, first, "x"); got != http.StatusOK {
		t.Errorf("publish by the key in the manifest: %d", got)
	}
	if shown := r.out.await(t, "Ctrl-C"); strings.Contains(shown, "Missing is") || strings.Contains(shown, "is skipped") || strings.Contains(shown, first) {
		t.Errorf("shown:\n%s", shown)
	}
	write(t, r.path, keyed+secret(second))
	r.out.await(t, "Reloaded: Secret shop-ci, key token changed.\n")
	for key, want := range map[string]int{first: http.StatusUnauthorized, second: http.StatusOK} {
		if got := r.postBy(t, key, "y"); got != want {
			t.Errorf("publish by %s after the change: %d", key, got)
		}
	}
	// What is in the directory counts first.
	token := filepath.Join(references, "secrets", "shop-ci", "token")
	if err := os.MkdirAll(filepath.Dir(token), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, token, "short")
	r.out.await(t, "Refused: Secret shop-ci, key token: a key of 5 bytes")
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	r.out.await(t, "All that the manifest refers to is there.\n")
	write(t, r.path, keyed)
	r.out.await(t, "Reloaded: Secret shop-ci, key token removed.\n")
	r.out.await(t, "Waiting for Secret shop-ci, key token")
}
