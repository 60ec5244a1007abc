package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/test/bench/load"
	"github.com/runnel-dev/runnel/test/bench/process"
)

// loadOptions are the flags of `bench load`.
type loadOptions struct {
	readers         load.ReaderOptions
	publisher       load.PublisherOptions
	events, warmup  int
	pid             int
	read, published string // paths
	readAs, publish string // credentials
}

// runLoad drives a server once and prints a line of JSON.
func runLoad(ctx context.Context, args []string) error {
	o := loadOptions{}
	flags := flag.NewFlagSet("bench "+commandLoad, flag.ContinueOnError)
	flags.StringVar(&o.readers.Addr, "subscribe", "127.0.0.1:8080", "`address` for readers")
	flags.StringVar(&o.publisher.Addr, "publish", "127.0.0.1:8081", "`address` for publishers")
	flags.StringVar(&o.read, "read-path", "/v1/topics/t.%d/events", "`path` of a stream, with %d for the topic's number")
	flags.StringVar(&o.published, "publish-path", "/v1/topics/t.%d", "`path` that is posted to, with %d for the topic's number")
	flags.StringVar(&o.readAs, "read-token", "", "readers' `token`")
	flags.StringVar(&o.publish, "publish-token", "", "publishers' `token`")
	flags.IntVar(&o.readers.Readers, "readers", 1000, "`number` of readers; 0 is none")
	flags.IntVar(&o.readers.Topics, "topics", 1, "`number` of topics that readers and events are spread over")
	flags.IntVar(&o.events, "events", 1000, "`number` of events that are measured")
	flags.IntVar(&o.warmup, "warmup", 100, "`number` of events before them")
	flags.IntVar(&o.publisher.Size, "size", 200, "`bytes` of an event")
	flags.IntVar(&o.publisher.InFlight, "in-flight", 0, "`number` of outstanding requests; 0 is 1, or 8 with a rate")
	flags.Float64Var(&o.publisher.Rate, "rate", 0, "`events` a second; 0 is as many as are answered")
	flags.IntVar(&o.publisher.Lines, "lines", 0, "`events` of a request, as lines of JSON; 0 is one, raw")
	flags.IntVar(&o.pid, "pid", 0, "server's `process`, whose CPU time is measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.readers.Path, o.publisher.Path, o.publisher.Topics = path(o.read), path(o.published), o.readers.Topics
	o.readers.Header, o.publisher.Header = token(o.readAs), token(o.publish)
	withoutCollector()
	out, err := o.run(ctx)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(os.Stdout).Encode(out), out.faults)
}

func path(template string) func(int) string {
	return func(topic int) string { return strings.ReplaceAll(template, "%d", strconv.Itoa(topic)) }
}

func token(text string) map[string][]string {
	if text == "" {
		return nil
	}
	return map[string][]string{"Authorization": {"Bearer " + text}}
}

// loadResult is what is printed. Times are in microseconds.
type loadResult struct {
	Deliveries          int     `json:"deliveries"`
	Missing             int     `json:"missing"`
	Late                int     `json:"late"`
	DeliveriesPerSecond float64 `json:"deliveriesPerSecond"`
	EventsPerSecond     float64 `json:"eventsPerSecond"`
	CPUPerDelivery      float64 `json:"cpuPerDelivery,omitempty"`
	CPUPerEvent         float64 `json:"cpuPerEvent,omitempty"`
	P50                 float64 `json:"p50"`
	P90                 float64 `json:"p90"`
	P99                 float64 `json:"p99"`
	P999                float64 `json:"p999"`
	Max                 float64 `json:"max"`
	ReplyP50            float64 `json:"replyP50"`
	ReplyP99            float64 `json:"replyP99"`
	DeliveriesPerRead   float64 `json:"deliveriesPerRead"`
	ReadersBusy         float64 `json:"readersBusy"`
	PublisherBusy       float64 `json:"publisherBusy"`

	faults error
}

func (o loadOptions) run(ctx context.Context) (out loadResult, err error) {
	publisher, err := load.NewPublisher(o.publisher)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, publisher.Close()) }()
	play := func(c load.Course) (r load.Result, err error) {
		r.Published, err = publisher.Publish(ctx, c, 0, c.Count)
		return r, err
	}
	if o.readers.Readers > 0 {
		readers, err := load.NewReaders(o.readers)
		if err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, readers.Close()) }()
		if err := readers.Connect(ctx); err != nil {
			return out, err
		}
		play = func(c load.Course) (load.Result, error) { return load.Run(ctx, readers, publisher, c) }
	}
	warmup := load.Course{Start: time.Now(), Topics: o.readers.Topics, Count: o.warmup}
	if _, err := play(warmup); err != nil {
		return out, err
	}
	before, err := o.cpu()
	if err != nil {
		return out, err
	}
	r, err := play(warmup.Next(o.events))
	if err != nil {
		return out, err
	}
	after, err := o.cpu()
	return summary(r, after-before), err
}

func (o loadOptions) cpu() (time.Duration, error) {
	if o.pid == 0 {
		return 0, nil
	}
	used, err := process.CPU(o.pid)
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", o.pid, err)
	}
	return used, nil
}

func summary(r load.Result, cpu time.Duration) loadResult {
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	window := us(max(r.Last, r.End) - r.Begin)
	return loadResult{
		Deliveries: r.Got, Missing: r.Missing(), Late: r.Late, DeliveriesPerSecond: r.DeliveriesPerSecond(), EventsPerSecond: r.EventsPerSecond(),
		CPUPerDelivery: us(cpu) / float64(max(r.Got, 1)), CPUPerEvent: us(cpu) / float64(max(r.Answered, 1)),
		P50: us(r.Latency.Quantile(0.5)), P90: us(r.Latency.Quantile(0.9)), P99: us(r.Latency.Quantile(0.99)), P999: us(r.Latency.Quantile(0.999)), Max: us(r.Latency.Max()),
		ReplyP50: us(r.Reply.Quantile(0.5)), ReplyP99: us(r.Reply.Quantile(0.99)),
		DeliveriesPerRead: float64(r.Got) / float64(max(r.Reads, 1)), ReadersBusy: us(r.Busy) / window, PublisherBusy: us(r.PublisherBusy) / window,
		faults: r.Faults(),
	}
}
