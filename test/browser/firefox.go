package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/suite"
)

// MissingFirefox says how to get Firefox, where FindFirefox finds none.
const MissingFirefox = "no Firefox on the PATH: install it (apt-get install firefox-esr), or run test/setup as root"

// FindFirefox returns Firefox's program, or nothing if there is none. Debian's name comes first.
func FindFirefox() string { return find("firefox-esr", "firefox") }

// firefoxSettings keep Firefox from asking anybody but the pages' servers. Whatever else a driven browser needs, it sets by itself.
const firefoxSettings = `user_pref("network.proxy.type", 0);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("services.settings.server", "data:,");
`

// StartFirefox starts a Firefox that knows nothing of its user and leaves nothing behind. It is driven by WebDriver BiDi
// (https://w3c.github.io/webdriver-bidi), which it speaks without another program. It ends with the node that it is called in.
func StartFirefox(program string) *Browser {
	ginkgo.GinkgoHelper()
	dir := home()
	gomega.Expect(os.WriteFile(filepath.Join(dir, "user.js"), []byte(firefoxSettings), 0o600)).To(gomega.Succeed())
	c := exec.Command(program, "--headless", "--no-remote", "--profile", dir, "--remote-debugging-port", "0")
	c.Env = environment(dir)
	ended := start(c)

	var server struct {
		Host string `json:"ws_host"`
		Port int    `json:"ws_port"`
	}
	gomega.Eventually(func() error {
		text, err := os.ReadFile(filepath.Join(dir, "WebDriverBiDiServer.json"))
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &server)
	}).Should(gomega.Succeed(), "Firefox has not said where it listens")
	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	url := "ws://" + net.JoinHostPort(server.Host, strconv.Itoa(server.Port)) + "/session"
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	b := &bidi{conn: conn, waiting: map[int]chan<- answer{}}
	b.reading.Go(b.read)
	ginkgo.DeferCleanup(func() {
		gomega.Expect(b.call(context.Background(), "browser.close", struct{}{}, nil)).To(gomega.Succeed())
		gomega.Eventually(ended).Should(gomega.BeClosed())
		_ = conn.Close() // Firefox has ended
		b.reading.Wait()
	})
	gomega.Expect(b.call(ctx, "session.new", map[string]any{"capabilities": struct{}{}}, nil)).To(gomega.Succeed())
	return &Browser{b.open}
}

// bidi is a session of WebDriver BiDi.
type bidi struct {
	conn    *websocket.Conn
	reading sync.WaitGroup

	mu      sync.Mutex // guards writes to conn, and what follows
	last    int
	waiting map[int]chan<- answer
	broken  error
}

// answer is what the browser says to a command.
type answer struct {
	ID      int             `json:"id"`
	Type    string          `json:"type"` // success, error or event
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
}

// read passes answers to those that wait for them, until the connection ends.
func (b *bidi) read() {
	for {
		var a answer
		err := b.conn.ReadJSON(&a)
		b.mu.Lock()
		if err != nil {
			b.broken = err
			for _, w := range b.waiting {
				close(w)
			}
			clear(b.waiting)
			b.mu.Unlock()
			return
		}
		w, ok := b.waiting[a.ID]
		delete(b.waiting, a.ID)
		b.mu.Unlock()
		if ok && a.Type != "event" {
			w <- a
		}
	}
}

// call carries out a command, and decodes its result.
func (b *bidi) call(ctx context.Context, method string, params, result any) error {
	answers := make(chan answer, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	err := b.broken
	if err == nil {
		b.waiting[id] = answers
		err = b.conn.WriteJSON(map[string]any{"id": id, "method": method, "params": params})
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	case a, ok := <-answers:
		switch {
		case !ok:
			return errors.New(method + ": the browser has ended")
		case a.Type != "success":
			return fmt.Errorf("%s: %s: %s", method, a.Error, a.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(a.Result, result)
	}
}

func (b *bidi) open() (tab, error) {
	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	t := &firefoxTab{bidi: b}
	return t, b.call(ctx, "browsingContext.create", map[string]any{"type": "tab"}, t)
}

// firefoxTab is a tab of Firefox.
type firefoxTab struct {
	bidi *bidi
	ID   string `json:"context"`
}

func (t *firefoxTab) close() {
	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	gomega.Expect(t.bidi.call(ctx, "browsingContext.close", map[string]any{"context": t.ID}, nil)).To(gomega.Succeed())
}

func (t *firefoxTab) navigate(ctx context.Context, url string) error {
	return t.bidi.call(ctx, "browsingContext.navigate", map[string]any{"context": t.ID, "url": url, "wait": "complete"}, nil)
}

func (t *firefoxTab) evaluate(ctx context.Context, expression string) (string, error) {
	var out struct {
		Result  struct{ Value string }
		Details struct{ Text string } `json:"exceptionDetails"`
	}
	err := t.bidi.call(ctx, "script.evaluate", map[string]any{
		"expression": expression, "target": map[string]any{"context": t.ID}, "awaitPromise": true,
	}, &out)
	if err == nil && out.Details.Text != "" {
		err = errors.New(out.Details.Text)
	}
	return out.Result.Value, err
}
