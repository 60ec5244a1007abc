// Package process is what a hub's process may take of its machine, and how many readers that is enough for.
package process

import (
	"cmp"
	"math"
)

// What things take, in bytes.
const (
	// BaseBytes is a hub without readers and events: the program, its runtime and the requests of publishers, and the ids of what they
	// sent in the last two minutes.
	BaseBytes = programBytes + idBytes
	// programBytes is the same without ids.
	programBytes = 32 << 20
	// idBytes are 100,000 ids, the most that are remembered, of 250 bytes each.
	idBytes = 24 << 20
	// plainBytes is an idle reader on plain HTTP/1.1: its entries in the tables of its shard, and the connection.
	plainBytes = 1536
	// PortableBytes is an idle reader of TLS or HTTP/2: a goroutine's stack, the buffers of both directions and the state of the cipher.
	PortableBytes = 16 << 10
	// socketBytes is what the kernel keeps for a reader and counts as its container's: 5 KiB at rest, and an event on its way. It is
	// far more for a reader that takes nothing while much is sent to it.
	socketBytes = 6 << 10
)

// Shares of what there is.
const (
	// garbageShare: a quarter of what is in use may be garbage besides, before it is collected. Most of it is events, in which the
	// collector has nothing to look for, so that it may run that often.
	garbageShare = 4
	// kernelShare: a sixteenth of a container's memory is left to what neither the Go runtime nor socketBytes counts: page tables,
	// stacks of threads, and what slow readers have not taken yet.
	kernelShare = 16
	// publisherShare: one in 32 descriptors is for connections that are no readers': publishers, those of readers that have not sent
	// their request yet, and those that are told to come back later.
	publisherShare = 32
	// ownDescriptors are for listeners, event loops, files that are watched and read, and issuers' keys that are fetched: some 30,
	// and as many again.
	ownDescriptors = 64
	// minOthers for each port come out of what ownDescriptors holds in reserve.
	minOthers = 8
)

// MinReaders are let in however little memory there is: a hub that serves nobody helps nobody.
const MinReaders = 100

// Limits of a process. In each, zero is none, or none that is known.
type Limits struct {
	// Descriptors that may be open at a time.
	Descriptors uint64
	// Memory that the container may take, in bytes, what the kernel keeps for its sockets included.
	Memory uint64
}

// Use is what a hub is told to take.
type Use struct {
	// Connections of readers that its configuration lets in at a time; 0 leaves it to the limits.
	Connections int
	// Retention that its configuration allows, in bytes.
	Retention int64
	// Encrypted says that its ports are.
	Encrypted bool
}

// Connections is how many readers a hub lets in at a time; 0 is any number. What the configuration says holds, as far as there are
// descriptors: without one, a connection would hang in place of an answer. Without a word of it, memory bounds them too:
//
//	descriptors − 64 − descriptors/32
//	(memory·15/16 − 56 MiB − retention·5/4) / (reader·5/4 + 6 KiB), with a reader of 1.5 KiB, or 16 KiB in TLS
//
// Weakness: a reader of HTTP/2 in clear text takes as much as one of TLS, and is counted as one of plain HTTP/1.1. On the other hand
// many of its readers share a descriptor.
func (l Limits) Connections(u Use) int {
	most := int64(cmp.Or(u.Connections, anyNumber))
	if u.Connections == 0 && l.Memory > 0 {
		most = min(most, l.readersInMemory(u))
	}
	if l.Descriptors > 0 {
		most = min(most, l.readersByDescriptors())
	}
	if most == anyNumber {
		return 0
	}
	return int(most)
}

// Others is how many connections that are no subscribers' a hub accepts on its port for subscribers, and how many on that for publishers,
// beside so many subscribers; 0 is any number. Each is half of the descriptors that are left, of which there are at least a few.
func (l Limits) Others(subscribers int) int {
	if l.Descriptors == 0 {
		return 0
	}
	rest := int(min(l.Descriptors, anyNumber)) - ownDescriptors - subscribers
	return max(rest/2, minOthers)
}

// anyNumber is more readers than there are.
const anyNumber = math.MaxInt32

func (l Limits) readersByDescriptors() int64 {
	descriptors := int64(min(l.Descriptors, anyNumber))
	return max(descriptors-ownDescriptors-descriptors/publisherShare, 1)
}

func (l Limits) readersInMemory(u Use) int64 {
	room := l.room() - BaseBytes - withGarbage(u.Retention)
	return max(room/(withGarbage(u.reader())+socketBytes), MinReaders)
}

// room is the memory that is planned with.
func (l Limits) room() int64 {
	memory := int64(min(l.Memory, math.MaxInt64))
	return memory - memory/kernelShare
}

// reader is what one takes of the hub's own memory.
func (u Use) reader() int64 {
	if u.Encrypted {
		return PortableBytes
	}
	return plainBytes
}

func withGarbage(inUse int64) int64 { return inUse + inUse/garbageShare }

// GoMemory is what the Go runtime shall keep to in bytes (GOMEMLIMIT), with so many readers at most; 0 is any. It is what the sockets of
// all of them leave, but no less than the hub needs: a runtime that is left with less does nothing but collect garbage. A fixed part
// of the memory would be too much beside the sockets of many readers, whose hub would be killed, and a waste with few.
func (l Limits) GoMemory(u Use, readers int) int64 {
	if l.Memory == 0 {
		return 0
	}
	needed := BaseBytes + withGarbage(u.Retention+int64(readers)*u.reader())
	return min(max(l.room()-int64(readers)*socketBytes, needed), l.room())
}
