package event

import (
	"iter"
	"strings"
)

const (
	// maxNearBytes bounds the topics that Near compares: longer ones are not typed by hand.
	maxNearBytes = 64
	// maxNearRows bounds how long Near compares: some 0.2 ms. Most topics differ in their first letters, which takes three rows.
	maxNearRows = 1024
	// maxNear is how many letters may be wrong, of maxNearShort at most one.
	maxNear      = 2
	maxNearShort = 5
)

// Near returns the topic or pattern that was probably meant by one that is not among the known ones: what differs from it least, by a letter
// or two, or by case. Of a known pattern it is what that would be with the wildcards' tokens as they were written: price.eur is near
// prices.* by prices.eur. Only what may be told is returned; empty is nothing.
func Near(wanted string, known iter.Seq[Selector], may func(Selector) bool) (nearest string) {
	if len(wanted) > maxNearBytes {
		return ""
	}
	least := maxNear
	if len(wanted) <= maxNearShort {
		least = 1
	}
	least++
	lower, rows := strings.ToLower(wanted), maxNearRows
	for k := range known {
		candidate, ok := k.with(wanted)
		if !ok || candidate == wanted {
			continue
		}
		d := differ(lower, strings.ToLower(candidate), least-1, &rows)
		if d >= least || d >= len(wanted) {
			continue
		}
		if s, err := ParseSelector(candidate); err == nil && may(s) {
			least, nearest = d, candidate
		}
	}
	return nearest
}

// with returns the selector with another one's tokens in the place of its wildcards, and with the other's wildcards. It is not ok where they
// have not as many tokens.
func (s Selector) with(other string) (text string, ok bool) {
	others := strings.Split(other, ".")
	if s.Exact() && !strings.ContainsAny(other, OneToken+ManyTokens) {
		return s.text, true
	}
	var tokens []string
	for i, o := range others {
		switch {
		case i >= len(s.tokens):
			return "", false
		case s.tokens[i] == ManyTokens:
			return strings.Join(append(tokens, others[i:]...), "."), true
		case o == ManyTokens:
			return strings.Join(append(tokens, o), "."), true
		case s.tokens[i] == OneToken, o == OneToken:
			tokens = append(tokens, o)
		default:
			tokens = append(tokens, s.tokens[i])
		}
	}
	return strings.Join(tokens, "."), len(others) == len(s.tokens)
}

// differ counts the letters that are missing, wrong, too many or in the place of the one beside them, if they are no more than most; else
// it returns more than that. It looks at a band of the letters around each place (Ukkonen), a row for each letter that it takes off left.
func differ(a, b string, most int, left *int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most || len(b) > maxNearBytes {
		return most + 1
	}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	var rows [3][maxNearBytes + 1]int
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := &rows[(i+1)%3], &rows[(i+2)%3], &rows[i%3]
		first, end := max(1, i-most), min(len(b), i+most)
		row[first-1], row[min(end+1, maxNearBytes)] = most+1, most+1 // beside the band
		if first == 1 {
			row[0] = i
		}
		best := row[first-1]
		for j := first; j <= end; j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if *left--; best > most || *left < 0 {
			return most + 1
		}
	}
	return rows[len(a)%3][len(b)]
}
