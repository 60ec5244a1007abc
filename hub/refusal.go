package hub

// Names of the ports for clients.
const (
	PortSubscribe = "subscribe"
	PortPublish   = "publish"
)

// Refusal is what a hub tells a client that it does not serve, or one line of a batch that it does not store.
type Refusal struct {
	// Port is PortSubscribe or PortPublish.
	Port string
	// Status is that of the answer: 200 for a subscriber that is asked within its stream to come back later.
	Status int
	// Code and Detail are those of the problem. The detail may quote what the client sent, never a credential.
	Code, Detail string
}

// tell tells the owner of the hub of a refusal.
func (m *metrics) tell(port string, status int, p *problem) {
	if m.refused != nil {
		m.refused(Refusal{port, status, p.Code, p.Detail})
	}
}
