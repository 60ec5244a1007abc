// Package churn changes streams at a steady rate, and sees when each change has come to the stream's children.
package churn

import "fmt"

// Kind of a change.
type Kind int

// The kinds of changes.
const (
	// Create makes a stream: all its children have to be seen.
	Create Kind = iota
	// Delete removes one: nothing has to be seen.
	Delete
	// Configure changes what a running hub reloads: the ConfigMap has to be seen.
	Configure
	// Roll changes the pod template: the Deployment has to be seen.
	Roll
	kinds
)

// String names the kind as in the results.
func (k Kind) String() string {
	switch k {
	case Create:
		return "creates"
	case Delete:
		return "deletes"
	case Configure:
		return "changes of the configuration"
	case Roll:
		return "changes of the pod template"
	default:
		return fmt.Sprintf("kind %d", int(k))
	}
}

// Mix says how many of each kind there are in a total.
type Mix [kinds]int

// Published is the mix of the load test that the targets come from: at 150 a second, 12 creates and 2 deletes. Of its changes it
// does not say how many roll pods; here 4 a second do.
var Published = Mix{Create: 12, Delete: 2, Configure: 132, Roll: 4}

// Total of the mix.
func (m Mix) Total() (n int) {
	for _, share := range m {
		n += share
	}
	return n
}

// Of returns the kind of change number i: each stretch of Total changes has the mix exactly, and every kind is spread evenly
// over it.
func (m Mix) Of(i int) Kind {
	total := m.Total()
	done, last := Mix{}, Configure
	for n := range i%total + 1 {
		most := 0
		for k, share := range m {
			// What it is behind its share, in parts of the total.
			if behind := share*(n+1) - done[k]*total; behind > most {
				most, last = behind, Kind(k)
			}
		}
		done[last]++
	}
	return last
}
