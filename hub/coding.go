package hub

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

const (
	// codings are the content codings that the hub decodes, as it lists them for publishers that sent another one.
	codings = "gzip"
	// maxCodings bounds the memory of one request: each coding takes a window of 32 KiB and tables. Nobody gains by coding content twice.
	maxCodings = 2
)

// codingsOf returns how many times the content of a request is coded with gzip (RFC 9110, section 8.4). It refuses all other codings.
func codingsOf(w http.ResponseWriter, r *http.Request) (gzips int, bad *problem) {
	for _, list := range r.Header.Values("Content-Encoding") {
		for element := range strings.SplitSeq(list, ",") {
			switch coding := strings.Trim(element, " \t"); strings.ToLower(coding) {
			case "", "identity": // an empty element counts for nothing (section 5.6.1.2)
			case "gzip", "x-gzip": // which are the same (section 8.4.1.3)
				gzips++
			default:
				w.Header().Set("Accept-Encoding", codings) // section 15.5.16
				return 0, refuse(http.StatusUnsupportedMediaType, "coding_unknown", "Content-Encoding %s is not decoded here: send gzip, or the content as it is without this header", quote(coding))
			}
		}
	}
	if gzips > maxCodings {
		w.Header().Set("Accept-Encoding", codings)
		return 0, refuse(http.StatusUnsupportedMediaType, "coding_unknown", "the content is coded %d times: send it coded once", gzips)
	}
	return gzips, nil
}

// codedRoom returns how many bytes the coded form of room bytes may take. Gzip makes content that it cannot compress a little larger: some
// bytes and a file's name around it (RFC 1952, section 2.3), and 5 bytes a block (RFC 1951, section 3.2.4).
func codedRoom(room int64) int64 { return room + room/8 + 4<<10 }

// decoded returns the content of a request without its codings. A read fails with *http.MaxBytesError when the content has more than room
// bytes, or its coded form many more than that: each step is bounded, so that a short body cannot cause much work.
func decoded(w http.ResponseWriter, r *http.Request, room int64, gzips int) (io.Reader, error) {
	body := r.Body
	for range gzips {
		z, err := gzip.NewReader(limited(w, body, codedRoom(room)))
		if errors.Is(err, io.EOF) {
			return http.NoBody, nil // no content has no coding
		}
		if err != nil {
			return nil, err
		}
		body = z
	}
	return limited(w, body, room), nil
}
