package http1

// class is where a byte may stand.
type class uint8

const (
	// inToken is of a header's name (RFC 9110, section 5.6.2).
	inToken class = 1 << iota
	// inValue is of a header's value: what can be seen, space and tab (section 5.5, without bytes beyond ASCII).
	inValue
	// inHost is of a name, an address or an IPv6 address in brackets, and a port.
	inHost
	// inPath is what nobody escapes or reads in another way (RFC 3986, section 2.3), and the slash.
	inPath
	// inQuery is what a query may hold (RFC 3986, section 3.4), brackets, and the vertical bar, which many leave as it is.
	inQuery
)

// classes is what each byte is. It never changes.
var classes = classify()

func classify() (table [256]class) {
	put := func(c class, text string) {
		for i := range len(text) {
			table[text[i]] |= c
		}
	}
	for c := byte('!'); c <= '~'; c++ {
		table[c] |= inValue
	}
	put(inValue, " \t")
	for _, span := range []string{"az", "AZ", "09"} {
		for c := span[0]; c <= span[1]; c++ {
			table[c] |= inToken | inHost | inPath | inQuery
		}
	}
	put(inToken, "!#$%&'*+-.^_`|~")
	put(inHost, "-._:[]")
	put(inPath, "-._~/")
	put(inQuery, "-._~!$&'()*+,;=:@/?%[]|")
	return table
}

func is(c byte, allowed class) bool { return classes[c]&allowed != 0 }

func all(b []byte, allowed class) bool {
	for _, c := range b {
		if !is(c, allowed) {
			return false
		}
	}
	return true
}
