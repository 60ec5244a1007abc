package conformance_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/sse"
	"github.com/runnel-dev/runnel/test/suite"
)

// proxiesPage has a configuration for each proxy.
const proxiesPage = "../../docs/proxies.md"

// pageProxy is a proxy that is run with the page's configuration.
type pageProxy struct {
	// heading is that of the proxy's section. Its first block in language is the configuration.
	heading, language string
	// program is the proxy, and debian the package that has it.
	program, debian string
	// around is the file that the configuration is a part of. PAGE stands for the configuration, and {{.Dir}} for a directory.
	around string
	// args starts the proxy in the foreground, as one process where it can. ADDR stands for its address, DIR for the
	// directory and FILE for the file.
	args []string
	// twice puts another proxy with the same configuration between the first one and the hub.
	twice bool
	// answers says that the proxy itself asks subscribers to come back where no hub answers.
	answers bool
}

const nginxAround = nginxHead + "PAGE}\n"

var nginxArgs = []string{"-p", "DIR", "-e", "DIR/error.log", "-c", "FILE"}

var pageProxies = []pageProxy{
	{heading: "nginx", language: "nginx", program: "nginx", debian: "nginx", around: nginxAround, args: nginxArgs, answers: true},
	{heading: "nginx", language: "nginx", program: "nginx", debian: "nginx", around: nginxAround, args: nginxArgs, twice: true},
	{heading: "HAProxy", language: "haproxy", program: "haproxy", debian: "haproxy", around: "PAGE", args: []string{"-f", "FILE"}, answers: true},
	{heading: "Apache", language: "apache", program: "apache2", debian: "apache2", around: `
ServerRoot /usr/lib/apache2
ServerName localhost
User www-data
PidFile {{.Dir}}/pid
DefaultRuntimeDir {{.Dir}}
ErrorLog {{.Dir}}/error.log
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
PAGE`, args: []string{"-X", "-f", "FILE"}},
	{heading: "Varnish", language: "vcl", program: "varnishd", debian: "varnish", around: "PAGE", args: []string{
		"-F", "-j", "none", "-a", "ADDR", "-T", "none", "-s", "malloc,16m", "-n", "DIR/varnish", "-f", "FILE",
	}},
	{heading: "Caddy", language: "caddy", program: "caddy", debian: "caddy", around: "{\n\tadmin off\n}\nPAGE", args: []string{
		"run", "--adapter", "caddyfile", "--config", "FILE",
	}, answers: true},
	{heading: "lighttpd", language: "lighttpd", program: "lighttpd", debian: "lighttpd", around: `
server.document-root = "{{.Dir}}"
server.errorlog = "{{.Dir}}/error.log"
PAGE`, args: []string{"-D", "-f", "FILE"}},
}

func (p pageProxy) String() string {
	if p.twice {
		return "two of " + p.heading + " in a row"
	}
	return p.heading
}

// missing says why the proxy cannot be run, if it cannot.
func (p pageProxy) missing() string {
	if findProgram(p.program) == "" {
		return "no " + p.program + ": install it (apt-get install " + p.debian + ")"
	}
	return ""
}

// missingProxies says which proxies are missing. Whether nginx is there, missingNginx says.
func missingProxies() string {
	var packages []string
	for _, p := range pageProxies {
		if p.missing() != "" && p.program != "nginx" {
			packages = append(packages, p.debian)
		}
	}
	if packages == nil {
		return ""
	}
	return "not all proxies of docs/proxies.md are there: install them (apt-get install " + strings.Join(packages, " ") + ")"
}

var _ = Describe("The configuration in docs/proxies.md", func() {
	for _, p := range pageProxies {
		It("passes on each event at once through "+p.String(), func(ctx context.Context) {
			needs(p.missing())
			behind := hub.addr()
			if p.twice {
				behind = p.start(behind)
			}
			topic := hub.topic()
			stream, err := sse.Open(ctx, at("http://"+p.start(behind), []string{topic}))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(stream.Close)
			e, err := stream.Next(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(e.Type).To(Equal("runnel-open"))
			for range 3 { // one at a time: nothing follows that would push it out of a buffer
				sent := hub.send(topic, "", "small")
				e, err := stream.Next(ctx)
				Expect(err).NotTo(HaveOccurred())
				Expect(e.ID).To(Equal(sent.ID))
			}
		}, SpecTimeout(suite.Patience))
		if !p.answers {
			continue
		}
		It("asks subscribers to come back where no hub answers, through "+p.String(), func(ctx context.Context) {
			needs(p.missing())
			stream, err := sse.Open(ctx, at("http://"+p.start(freeAddr()), []string{"orders"}))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(stream.Close)
			e, err := stream.Next(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(e.Retry).To(HaveValue(Equal(5 * time.Second)))
		}, SpecTimeout(suite.Patience))
	}
})

// start runs the proxy before a hub at an address and returns its own. It ends with the node that it is called in.
func (p pageProxy) start(hub string) (addr string) {
	GinkgoHelper()
	dir, err := os.MkdirTemp("", "runnel-proxy-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	addr = freeAddr()
	file := filepath.Join(dir, "configuration")
	text := strings.ReplaceAll(strings.Replace(p.around, "PAGE", p.page(hub, addr, dir), 1), "{{.Dir}}", dir)
	Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	args := make([]string, len(p.args))
	for i, arg := range p.args {
		args[i] = strings.NewReplacer("ADDR", addr, "DIR", dir, "FILE", file).Replace(arg)
	}
	program := exec.Command(findProgram(p.program), args...)
	program.Env = append(os.Environ(), "HOME="+dir)
	program.Stdout, program.Stderr = suite.Log(), suite.Log()
	Expect(program.Start()).To(Succeed())
	ended := make(chan struct{})
	go func() {
		_ = program.Wait() // it is killed, or its state says why it ended
		close(ended)
	}()
	DeferCleanup(func() {
		_ = program.Process.Kill() // it may have ended; Varnish's other process ends when this one is gone
		<-ended
		if CurrentSpecReport().Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log")) // what there is of it
			suite.Keep("configuration and log of "+p.heading, text+"\n"+string(log))
		}
	})
	Eventually(func(g Gomega) {
		select {
		case <-ended:
			StopTrying(p.program + " has ended: " + program.ProcessState.String()).Now()
		default:
		}
		c, err := net.Dial("tcp", addr)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(c.Close()).To(Succeed())
	}).Should(Succeed())
	return addr
}

// page returns the configuration of the proxy's section with other addresses in place of the page's, and a directory in place of
// HAProxy's. It runs the section's shell commands.
func (p pageProxy) page(hub, addr, dir string) string {
	GinkgoHelper()
	page, err := os.ReadFile(proxiesPage)
	Expect(err).NotTo(HaveOccurred())
	_, section, found := strings.Cut(string(page), "\n## "+p.heading+"\n")
	Expect(found).To(BeTrue(), "%s has no section %s", proxiesPage, p.heading)
	section, _, _ = strings.Cut(section, "\n## ")
	block := func(language string) string {
		if match := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(section); match != nil {
			return match[1]
		}
		return ""
	}
	host, port, err := net.SplitHostPort(hub)
	Expect(err).NotTo(HaveOccurred())
	ownHost, ownPort, err := net.SplitHostPort(addr)
	Expect(err).NotTo(HaveOccurred())
	names := strings.NewReplacer(
		`"shop-subscribe.default.svc"`, `"`+host+`"`, `.port = "80"`, `.port = "`+port+`"`, `"port" => 80`, `"port" => `+port,
		"shop-subscribe.default.svc:80", hub, "shop-subscribe.default.svc", hub,
		"listen 8000", "listen "+addr, "Listen 8000", "Listen "+addr, "*:8000", "*:"+ownPort, "bind :8000", "bind "+addr,
		"server.port = 8000", `server.bind = "`+ownHost+`"`+"\nserver.port = "+ownPort, ":8000 {", "http://"+addr+" {",
		"/etc/haproxy", dir,
	)
	if commands := block("sh"); commands != "" {
		output, err := exec.Command("sh", "-c", names.Replace(commands)).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "%s", output)
	}
	text := names.Replace(block(p.language))
	Expect(text).NotTo(BeEmpty(), "%s has no block %s in section %s", proxiesPage, p.language, p.heading)
	Expect(text).NotTo(Or(ContainSubstring("shop-subscribe"), ContainSubstring("8000")), "an address of the page that is not replaced")
	return text
}
