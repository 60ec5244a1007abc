package event

// Contains says whether every topic that the other selector chooses is chosen by this one too. It is exact for topics of any
// number of tokens; that a topic has at most MaxTopicTokens does not make it wider. It compares one selector with one: two that
// only together hold a third do not contain it.
func (s Selector) Contains(o Selector) bool {
	for i, mine := range s.tokens {
		if i == len(o.tokens) {
			return false // the other's topics end before this token
		}
		switch theirs := o.tokens[i]; {
		case mine == ManyTokens:
			return true // there is at least one more of the other's, whatever it is
		case theirs == ManyTokens:
			return false
		case mine != OneToken && mine != theirs:
			return false
		}
	}
	return len(s.tokens) == len(o.tokens)
}
