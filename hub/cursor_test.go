package hub

import "testing"

func TestWhichCursorWins(t *testing.T) {
	const one, two, junk = "k3f9a2xq-1", "k3f9a2xq-2", "undefined"
	for query, want := range map[string]struct {
		header, cursor string
		earliest       bool
	}{
		"":                                  {},
		"last_event_id=":                    {},
		"last_event_id=" + one:              {cursor: one},
		"lastEventId=" + one:                {cursor: one},
		"lastEventID=" + one:                {cursor: one},
		"last-event-id=" + one:              {cursor: one},
		"last_event_id=earliest":            {earliest: true},
		"lastEventID=earliest":              {earliest: true},
		"lastEventId=earliest&lastEventId=": {earliest: true},
		"lastEventId=" + one + "&lastEventId=" + two:                        {cursor: two},
		"lastEventId=" + two + "&last_event_id=" + one:                      {cursor: one},
		"last-event-id=" + one + "&x=1&lastEventID=" + two:                  {cursor: two},
		"last_event_id=earliest&lastEventId=" + one + "&lastEventId=" + two: {cursor: two},
		"last_event_id=" + one + "&lastEventId=earliest":                    {cursor: one},
		"last_event_id=" + one + "&lastEventId=":                            {cursor: one},
		"last_event_id=" + one + "&lastEventId=" + junk:                     {cursor: one},
		"last_event_id=earliest&lastEventId=" + junk:                        {earliest: true},
		"last_event_id=null&lastEventId=" + junk:                            {cursor: junk},
		"last_event_id=k3f9a2xq%2D7":                                        {cursor: "k3f9a2xq-7"},
		"last_event_id=" + one + "&lastEventId=" + two + "&header":          {header: "k3f9a2xq-9", cursor: "k3f9a2xq-9"},
		"last_event_id=" + one + "&header=junk":                             {header: junk, cursor: junk},
		"last_event_id=" + one + "&header=earliest":                         {header: earliest, cursor: one},
		"last_event_id=" + junk + "&header=earliest":                        {header: earliest, earliest: true},
		"last_event_id=earliest&header=1":                                   {header: one, cursor: one},
	} {
		p := &parameters{}
		for name, value := range formPairs(query) {
			p.add(name, value)
		}
		if cursor, fromEarliest := readCursor(want.header, p.values["last_event_id"]); cursor != want.cursor || fromEarliest != want.earliest {
			t.Errorf("header %q, %s: %q, %t, want %q, %t", want.header, query, cursor, fromEarliest, want.cursor, want.earliest)
		}
	}
}
