package auth

import (
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// TestNoFetchBeginsWhileTheOthersEnd has configurations come while the hub ends. The race detector knows of additions to what is waited for.
func TestNoFetchBeginsWhileTheOthersEnd(t *testing.T) {
	s := newKeyServer(t, httptest.NewServer, text(`{}`))
	for range 20 {
		remote := NewRemoteKeys(nil, nil)
		var configuring sync.WaitGroup
		configuring.Go(func() {
			for i := range 20 {
				remote.Follow([]KeySource{{URL: s.URL + "/" + strconv.Itoa(i)}})
			}
		})
		remote.Close()
		configuring.Wait()
		remote.Follow([]KeySource{{URL: s.URL + "/late"}})
		if remote.set(KeySource{URL: s.URL + "/late"}) != nil {
			t.Fatal("a set of keys is followed that nobody will end")
		}
	}
}
