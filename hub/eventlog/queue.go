package eventlog

// queue holds things first in, first out. Its slots grow by doubling, so that a topic with one event costs one, and shrink when three
// quarters of them are free, so that a burst does not leave its memory behind. Either costs O(1) for each thing that comes or goes.
type queue[T any] struct {
	slots []T // len is zero or a power of two
	first int // of the oldest
	count int
}

func (q *queue[T]) at(i int) T { return q.slots[(q.first+i)&(len(q.slots)-1)] }

func (q *queue[T]) oldest() T { return q.slots[q.first] }

func (q *queue[T]) newest() T { return q.at(q.count - 1) }

func (q *queue[T]) push(x T) {
	if q.count == len(q.slots) {
		q.resize(max(1, 2*q.count))
	}
	q.slots[(q.first+q.count)&(len(q.slots)-1)] = x
	q.count++
}

func (q *queue[T]) pop() T {
	var none T
	x := q.slots[q.first]
	q.slots[q.first] = none
	q.first = (q.first + 1) & (len(q.slots) - 1)
	if q.count--; 4*q.count <= len(q.slots) {
		q.resize(len(q.slots) / 2 * min(1, q.count))
	}
	return x
}

func (q *queue[T]) resize(slots int) {
	if slots == 0 {
		*q = queue[T]{}
		return
	}
	resized := make([]T, slots)
	for i := range q.count {
		resized[i] = q.at(i)
	}
	q.slots, q.first = resized, 0
}
