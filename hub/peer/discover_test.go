package peer

import (
	"context"
	"net"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameserver answers for one name, by UDP.
func nameserver(t *testing.T, name string, addresses ...[4]byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	go func() {
		defer close(done)
		room := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(room)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(room[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Name.String() != name {
				m.RCode = dnsmessage.RCodeNameError
			} else if q.Type == dnsmessage.TypeA {
				for _, a := range addresses {
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.AResource{A: a}})
				}
			}
			text, _ := m.Pack()
			_, _ = c.WriteTo(text, from)
		}
	}()
	return c.LocalAddr().String()
}

func TestPeersAreThoseOfTheName(t *testing.T) {
	by := nameserver(t, "hubs.team-a.svc.cluster.local.", [4]byte{10, 0, 0, 3}, [4]byte{10, 0, 0, 2}, [4]byte{10, 0, 0, 1})
	for _, c := range []struct {
		name, own string
		want      []string
		listed    bool
	}{
		{"hubs.team-a.svc.cluster.local.", "10.0.0.2", []string{"10.0.0.1:9090", "10.0.0.3:9090"}, true},
		{"hubs.team-a.svc.cluster.local.", "10.0.0.9", []string{"10.0.0.1:9090", "10.0.0.2:9090", "10.0.0.3:9090"}, false},
		{"none.team-a.svc.cluster.local.", "10.0.0.2", nil, false},
	} {
		d, err := NewDNS(c.name, c.own, "9090", by)
		if err != nil {
			t.Fatal(err)
		}
		got, listed, err := d.Peers(context.Background())
		if err != nil || listed != c.listed || !slices.Equal(got, c.want) {
			t.Errorf("%s at %s: %v %v %v", c.name, c.own, got, listed, err)
		}
	}
	if _, err := NewDNS("x.", "nowhere", "9090", by); err == nil {
		t.Error("what is no address is taken")
	}
}
