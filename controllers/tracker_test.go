package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestAHubThatNeverTakesUpItsConfigurationIsNotNudgedForEver(t *testing.T) {
	g := NewWithT(t)
	known, now, nudges := &tracked{}, time.Now(), 0
	for end := now.Add(24 * time.Hour); now.Before(end); {
		value, wait := known.due(wanted, hasty, now)
		if value != "" {
			nudges++
		}
		now = now.Add(wait)
	}
	g.Expect(nudges).To(Equal(hastyNudges))
	_, wait := known.due(wanted, hasty, now)
	g.Expect(wait).To(Equal(longestPatience), "it is looked at now and then")
	value, _ := known.due("another", hasty, now)
	g.Expect(value).To(Equal("another"), "a new configuration is news")
}
