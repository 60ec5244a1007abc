// Pod is the program that the node's tests run in their pods. It serves HTTP on its pod's address, is ready unless told
// otherwise, and drains as long as DRAIN says when it gets SIGTERM. With the argument `exit N` it ends at once.
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
	if os.Getenv("DRAIN") == "forever" {
		return <-served
	}
	d, err := time.ParseDuration(os.Getenv("DRAIN"))
	if err != nil && os.Getenv("DRAIN") != "" {
		return errors.Join(errors.New("DRAIN: write a duration"), err)
	}
	time.Sleep(d)
	fmt.Println("ends")
	return nil
}
