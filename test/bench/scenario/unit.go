package scenario

import (
	"fmt"
	"strconv"
)

// Unit is how a figure is written.
type Unit string

// Units of figures.
const (
	PerSecond    Unit = "/s"
	Microseconds Unit = "µs"
	Milliseconds Unit = "ms"
	Seconds      Unit = "s"
	Bytes        Unit = "bytes"
	Cores        Unit = "cores"
	Share        Unit = ""
)

// Format writes a value with three digits that count.
func (u Unit) Format(v float64) string {
	switch u {
	case PerSecond:
		return grouped(v) + string(u)
	case Bytes:
		return grouped(v)
	case Cores:
		return fmt.Sprintf("%.4f %s", v, u)
	case Share:
		return fmt.Sprintf("%.2f", v)
	}
	return digits(v) + " " + string(u)
}

func digits(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// grouped writes a whole number with commas.
func grouped(v float64) string {
	text := strconv.FormatFloat(v, 'f', 0, 64)
	sign := ""
	if text[0] == '-' {
		sign, text = "-", text[1:]
	}
	const group = 3
	for i := len(text) - group; i > 0; i -= group {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}
