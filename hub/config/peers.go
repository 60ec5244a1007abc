package config

// Peers says how the hubs of a stream find and know each other, so that one can take over from another.
type Peers struct {
	// Service is the DNS name whose addresses are those of the stream's hubs, ready or not, with a dot at its end.
	Service string `json:"service"`
	// Audience that the token of a hub must have: that of this stream's hubs alone.
	Audience string `json:"audience"`
	// Account is the name of the ServiceAccount that the hubs run as, in the stream's namespace. Auth.Issuers are its tokens'.
	Account string `json:"account"`
	// First is the UID of the pod that was the stream's only one when this was written, and not ready; empty is none. Its hub has nothing
	// to take over, so it need not wait until a name server knows it: it asks once, and begins unless another hub answers.
	//
	// This may be read later, when it is no longer true. No history is lost by that:
	//
	//   - Another pod has another UID, so the hub that replaces the first one takes over from it as always, whatever this says. Two hubs
	//     that start together are never both the first one.
	//   - A process that crashed before takes its history with it, and the next one in the same pod begins at once again. If another hub
	//     has taken over before that, the name server knows it, it answers, and the process takes over from it.
	//   - Where the name server does not answer in that moment either, two hubs lead. The one that began as the first claims nothing: it
	//     goes on looking until it is listed itself, gives way to any other leader that it finds, and the other one keeps its history.
	First string `json:"first,omitempty"`
}

func (v *checker) peers(path string, p Peers) {
	v.text(path+".service", p.Service, maxURLBytes)
	v.text(path+".audience", p.Audience, maxURLBytes)
	v.text(path+".account", p.Account, maxNameBytes)
	if p.First != "" {
		v.text(path+".first", p.First, maxNameBytes)
	}
}
