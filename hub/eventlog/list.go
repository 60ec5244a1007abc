package eventlog

// links are an entry's neighbours in a list that it is part of.
type links struct{ older, newer *Entry }

// list is a doubly linked list through entries themselves, oldest first: entries leave from the middle at no cost.
type list struct {
	oldest, newest *Entry
	count          int
	via            func(*Entry) *links
}

func globalLinks(e *Entry) *links { return &e.global }
func agingLinks(e *Entry) *links  { return &e.aging }

func (l *list) push(e *Entry) {
	l.via(e).older = l.newest
	if l.newest != nil {
		l.via(l.newest).newer = e
	} else {
		l.oldest = e
	}
	l.newest = e
	l.count++
}

func (l *list) remove(e *Entry) {
	at := l.via(e)
	if at.older != nil {
		l.via(at.older).newer = at.newer
	} else {
		l.oldest = at.newer
	}
	if at.newer != nil {
		l.via(at.newer).older = at.older
	} else {
		l.newest = at.older
	}
	*at = links{}
	l.count--
}
