// Pod is the program that the node's tests run in their pods. It serves HTTP on its pod's address, is ready unless told
// otherwise, and drains when it gets SIGTERM: until /end is asked for if DRAIN is "asked", for ever if it is "forever". With the
// argument `exit N` it ends at once.
package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "exit" {
		code, _ := strconv.Atoi(os.Args[2])
		fmt.Println("exits with", code)
		os.Exit(code)
	}
	if len(os.Args) > 2 && os.Args[1] == "hold" { // a child of a pod's process
		time.Sleep(time.Hour)
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	var unready, draining atomic.Bool
	unready.Store(os.Getenv("UNREADY") != "")
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if unready.Load() || (draining.Load() && os.Getenv("DRAIN_UNREADY") != "") {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/set", func(_ http.ResponseWriter, r *http.Request) { unready.Store(r.URL.Query().Get("ready") == "false") })
	mux.HandleFunc("/name", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("HOSTNAME")) })
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.URL.Query().Get("name"))) })
	mux.HandleFunc("/args", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Args[1:]) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(os.Getenv(r.URL.Query().Get("dir")) + "/" + r.URL.Query().Get("name"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(data)
	})
	asked := make(chan struct{}, 1)
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "0")
		_ = http.NewResponseController(w).Flush() // the answer is whole before the program ends
		asked <- struct{}{}
	})
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	mux.HandleFunc("/child", func(w http.ResponseWriter, _ *http.Request) {
		self, err := os.Executable()
		c := exec.Command(self, "hold", "on")
		if err = errors.Join(err, c.Start()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, c.Process.Pid)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, os.Getenv("HOSTNAME"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	l, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("RUNNEL_LISTEN_HOST"), "8080"))
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- http.Serve(l, mux) }()
	fmt.Println("listens on", l.Addr())
	select {
	case err := <-served:
		return err
	case <-term:
	}
	fmt.Println("drains")
	draining.Store(true)
	switch drain := os.Getenv("DRAIN"); drain {
	case "":
	case "asked":
		select {
		case err := <-served:
			return err
		case <-asked:
		}
	case "forever":
		return <-served
	default:
		return fmt.Errorf("DRAIN is %q: write asked or forever", drain)
	}
	fmt.Println("ends")
	return nil
}
