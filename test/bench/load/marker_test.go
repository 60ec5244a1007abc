package load

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"
)

func marked(m mark, size int) []byte {
	payload := bytes.Repeat([]byte{filler}, size)
	m.put(payload)
	return payload
}

func TestAMarkerIsReadAsItWasWritten(t *testing.T) {
	for _, m := range []mark{{}, {1, 2}, {time.Hour, 1<<32 - 1}, {1<<63 - 1, 0xdeadbeef}} {
		if got, ok := readMark(marked(m, MinSize)); !ok || got != m {
			t.Errorf("%v is read as %v, %v", m, got, ok)
		}
	}
}

func TestDigitsAreThoseOfStrconv(t *testing.T) {
	for at := range 8 {
		for c := range 256 {
			text := []byte("0fa91b7c")
			text[at] = byte(c)
			want, err := strconv.ParseUint(string(text), 16, 32)
			upper := 'A' <= c && c <= 'F'
			got, ok := eightDigits(text)
			if ok != (err == nil && !upper) || ok && uint64(got) != want {
				t.Errorf("%q is read as %x, %v", text, got, ok)
			}
		}
	}
}

// all finds the markers of a text in pieces.
func all(pieces ...[]byte) (out []mark) {
	var s scanner
	for _, p := range pieces {
		for m, rest, found := s.next(p); found; m, rest, found = s.next(rest) {
			out = append(out, m)
		}
	}
	return out
}

func TestMarkersAreFoundAcrossEveryBoundary(t *testing.T) {
	var text []byte
	var want []mark
	for i := range 4 {
		m := mark{time.Duration(i) * time.Second, uint32(i)}
		want = append(want, m)
		text = append(text, "id: k3f9a2xq-18##"...) // beginnings that lead nowhere
		text = append(text, marked(m, MinSize+i)...)
		text = append(text, "\n\n#0123456789abcdef-0123456#"...)
	}
	for i := range text {
		for j := i; j < len(text); j += 7 {
			if got := all(text[:i], text[i:j], text[j:]); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("cut at %d and %d: %v", i, j, got)
			}
		}
	}
	var single [][]byte
	for i := range text {
		single = append(single, text[i:i+1])
	}
	if got := all(single...); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("byte by byte: %v", got)
	}
}

func TestChunksAreDecodedAcrossEveryBoundary(t *testing.T) {
	const body = "5\r\nhello\r\n1A;name=\"v\"\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: x\r\n\r\n"
	for i := range body {
		var c chunks
		var got []byte
		for _, piece := range []string{body[:i], body[i:]} {
			for b := []byte(piece); len(b) > 0; {
				data, rest, err := c.next(b)
				if err != nil {
					t.Fatalf("cut at %d: %v", i, err)
				}
				got, b = append(got, data...), rest
			}
		}
		if string(got) != "helloabcdefghijklmnopqrstuvwxyz" || c.part != chunkOver {
			t.Errorf("cut at %d: %q, part %d", i, got, c.part)
		}
	}
	for _, wrong := range []string{"\r\n", "x\r\n", "ffffffff\r\n", "1\r\nabc", "0\r\n\r\nmore", "1z"} {
		var c chunks
		var err error
		for b := []byte(wrong); len(b) > 0 && err == nil; {
			_, b, err = c.next(b)
		}
		if err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
