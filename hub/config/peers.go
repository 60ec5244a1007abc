package config

// Peers says how the hubs of a stream find and know each other, so that one can take over from another.
type Peers struct {
	// Service is the DNS name whose addresses are those of the stream's hubs, ready or not, with a dot at its end.
	Service string `json:"service"`
	// Audience that the token of a hub must have: that of this stream's hubs alone.
	Audience string `json:"audience"`
	// Account is the name of the ServiceAccount that the hubs run as, in the stream's namespace. Auth.Issuers are its tokens'.
	Account string `json:"account"`
}

func (v *checker) peers(path string, p Peers) {
	v.text(path+".service", p.Service, maxURLBytes)
	v.text(path+".audience", p.Audience, maxURLBytes)
	v.text(path+".account", p.Account, maxNameBytes)
}
