package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/suite"
)

// MissingWebKit says how to get WebKit, where FindWebKit finds none.
const MissingWebKit = "no WebKitWebDriver or no Xvfb on the PATH: install both (apt-get install webkit2gtk-driver xvfb), or run test/setup as root"

const (
	// displayServer is an X server without a screen: WebKit's browser has no headless mode.
	displayServer = "Xvfb"
	// webkitHost is an address of no other listener and of no outgoing connection, so that a port stays free after a listener closes it.
	webkitHost = "127.90.0.2"
)

// FindWebKit returns the driver of WebKit's GTK port, or nothing if the driver or the display server is missing.
func FindWebKit() string {
	if find(displayServer) == "" {
		return ""
	}
	return find("WebKitWebDriver")
}

// StartWebKit starts the browser that comes with WebKit's driver, without a profile of its user. WebDriver
// (https://www.w3.org/TR/webdriver2) drives it. It ends with the node that calls StartWebKit.
func StartWebKit(program string) *Browser {
	ginkgo.GinkgoHelper()
	dir := home()
	display := startDisplay(dir)
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(webkitHost, "0"))
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	gomega.Expect(listener.Close()).To(gomega.Succeed())
	host, port, err := net.SplitHostPort(listener.Addr().String())
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	c := exec.Command(program, "--host="+host, "--port="+port)
	// The user's session bus and accessibility services would outlive the browser.
	c.Env = append(environment(dir), "DISPLAY="+display, "DBUS_SESSION_BUS_ADDRESS=disabled:", "NO_AT_BRIDGE=1")
	start(c)

	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	d := &webdriver{base: "http://" + listener.Addr().String() + "/session"}
	capabilities := map[string]any{"alwaysMatch": map[string]any{"proxy": map[string]any{"proxyType": "direct"}}}
	var session struct{ SessionID string }
	gomega.Eventually(func() error {
		return d.call(ctx, http.MethodPost, "", map[string]any{"capabilities": capabilities}, &session)
	}).Should(gomega.Succeed())
	d.base += "/" + session.SessionID
	ginkgo.DeferCleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
		defer cancel()
		gomega.Expect(d.call(ctx, http.MethodDelete, "", nil, nil)).To(gomega.Succeed())
	})
	timeouts := map[string]any{"script": suite.Patience.Milliseconds(), "pageLoad": suite.Patience.Milliseconds()}
	gomega.Expect(d.call(ctx, http.MethodPost, "/timeouts", timeouts, nil)).To(gomega.Succeed())
	d.first = &webkitTab{driver: d}
	gomega.Expect(d.call(ctx, http.MethodGet, "/window", nil, &d.first.Handle)).To(gomega.Succeed())
	return &Browser{d.open}
}

// startDisplay starts an X server, and returns its display.
func startDisplay(dir string) string {
	ginkgo.GinkgoHelper()
	read, write, err := os.Pipe()
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	defer func() { _ = read.Close() }() // it was only read
	c := exec.Command(displayServer, "-displayfd", strconv.Itoa(firstExtraFile), "-screen", "0", "1024x768x24", "-nolisten", "tcp")
	c.Env = environment(dir)
	c.ExtraFiles = []*os.File{write}
	start(c)
	gomega.Expect(write.Close()).To(gomega.Succeed())
	line, err := bufio.NewReader(read).ReadString('\n')
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	return ":" + strings.TrimSpace(line)
}

// firstExtraFile is the descriptor of the first of exec.Cmd's ExtraFiles.
const firstExtraFile = 3

// webdriver is a session of WebDriver. Its commands apply to the session's current window.
type webdriver struct {
	base  string
	first *webkitTab // the window that the session begins with, which opens the others
	mu    sync.Mutex // guards which window is current
}

// call carries out a command, and decodes its value.
func (d *webdriver) call(ctx context.Context, method, path string, params, value any) error {
	var body bytes.Buffer
	if params != nil {
		if err := json.NewEncoder(&body).Encode(params); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, d.base+path, &body)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, answer.Value)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, value)
}

func (d *webdriver) open() (tab, error) {
	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	t := &webkitTab{driver: d}
	return t, d.first.do(ctx, http.MethodPost, "/window/new", map[string]any{"type": "window"}, t)
}

// webkitTab is a window of WebKit. A window is visible, so WebKit does not throttle its page.
type webkitTab struct {
	driver *webdriver
	Handle string `json:"handle"`
}

// do carries out a command in the tab.
func (t *webkitTab) do(ctx context.Context, method, path string, params, value any) error {
	t.driver.mu.Lock()
	defer t.driver.mu.Unlock()
	if err := t.driver.call(ctx, http.MethodPost, "/window", map[string]any{"handle": t.Handle}, nil); err != nil {
		return err
	}
	return t.driver.call(ctx, method, path, params, value)
}

func (t *webkitTab) close() {
	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	gomega.Expect(t.do(ctx, http.MethodDelete, "/window", nil, nil)).To(gomega.Succeed())
}

func (t *webkitTab) navigate(ctx context.Context, url string) error {
	return t.do(ctx, http.MethodPost, "/url", map[string]any{"url": url}, nil)
}

func (t *webkitTab) evaluate(ctx context.Context, expression string) (string, error) {
	const script = `const done = arguments[1];
try { window.eval(arguments[0]).then(value => done({value}), e => done({error: String(e)})); } catch (e) { done({error: String(e)}); }`
	var out struct{ Value, Error string }
	err := t.do(ctx, http.MethodPost, "/execute/async", map[string]any{"script": script, "args": []string{expression}}, &out)
	if err == nil && out.Error != "" {
		err = errors.New(out.Error)
	}
	return out.Value, err
}
