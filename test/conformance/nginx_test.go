package conformance_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/suite"
)

// missingNginx says why there is no nginx, if there is none.
func missingNginx() string {
	if findProgram("nginx") == "" {
		return "no nginx: install it (apt-get install nginx), or run test/setup as root"
	}
	return ""
}

// findProgram also looks where Debian puts servers, which is not on everybody's PATH. It returns nothing if there is none.
func findProgram(name string) string {
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(path); err == nil {
			return path
		}
	}
	return ""
}

// nginx is a running nginx before a hub. It has no setting for event streams: the hub's headers must do. Each field is an address.
type nginx struct {
	// HTTP10 asks the hub by HTTP/1.0, nginx's default, and HTTP11 by HTTP/1.1 with connections that are kept. The others are the same
	// for readers that speak HTTP/2 without TLS, which shares no port with HTTP/1.
	HTTP10, HTTP11, HTTP10By2, HTTP11By2 string
}

// nginxHead begins a configuration of nginx that writes to one directory only. The block http is still open at its end.
const nginxHead = `
daemon off;
master_process off;
pid {{.Dir}}/pid;
error_log {{.Dir}}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path {{.Dir}}/body;
  proxy_temp_path {{.Dir}}/proxy;
  fastcgi_temp_path {{.Dir}}/fastcgi;
  uwsgi_temp_path {{.Dir}}/uwsgi;
  scgi_temp_path {{.Dir}}/scgi;
`

var nginxConf = template.Must(template.New("").Parse(nginxHead + `
  upstream hub { server {{.Hub}}; keepalive 64; }
  server { listen {{.HTTP10}}; listen {{.HTTP10By2}} http2; location / { proxy_pass http://hub; } }
  server {
    listen {{.HTTP11}}; listen {{.HTTP11By2}} http2;
    location / { proxy_pass http://hub; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`))

// startNginx starts nginx before a hub at an address. It ends with the node that it is called in.
func startNginx(hub string) nginx {
	GinkgoHelper()
	dir, err := os.MkdirTemp("", "runnel-nginx-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	n := nginx{HTTP10: freeAddr(), HTTP11: freeAddr(), HTTP10By2: freeAddr(), HTTP11By2: freeAddr()}
	var conf bytes.Buffer
	Expect(nginxConf.Execute(&conf, struct {
		nginx
		Dir, Hub string
	}{n, dir, hub})).To(Succeed())
	path := filepath.Join(dir, "nginx.conf")
	Expect(os.WriteFile(path, conf.Bytes(), 0o600)).To(Succeed())
	program := exec.Command(findProgram("nginx"), "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", path)
	program.Stderr = suite.Log()
	Expect(program.Start()).To(Succeed())
	DeferCleanup(func() {
		Expect(program.Process.Kill()).To(Succeed())
		_ = program.Wait() // it was killed
		if CurrentSpecReport().Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "error.log")) // what there is of it
			suite.Keep("log of nginx", string(text))
		}
	})
	for _, addr := range []string{n.HTTP10, n.HTTP11, n.HTTP10By2, n.HTTP11By2} {
		Eventually(func() error {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				err = c.Close()
			}
			return err
		}).Should(Succeed())
	}
	return n
}

// freeAddr is an address that nobody listens on. Somebody else may take it before it is used, which no program here does.
func freeAddr() string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
