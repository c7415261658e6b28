// Sends a load of pre-encoded OTLP trace requests (benchmarks/load.py) as fast as the server takes them, or at a
// rate. It never decodes a span, so it costs far less than any server under test. Every lap moves the times of the
// spans and gives every trace a new id.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

const (
	method    = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	lapFactor = 0x9E3779B97F4A7C15
)

// raw hands request bytes to gRPC as they are.
type raw struct{}

func (raw) Name() string { return "proto" }
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*(v.(*[]byte)) = data.Materialize()
	return nil
}

// load is the content of one lap, and where in it the times and the trace ids are.
type load struct {
	content       []byte
	requests      [][]byte
	times, traces []uint64
}

func words(path string) []uint64 {
	data, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	found := make([]uint64, len(data)/8)
	for i := range found {
		found[i] = binary.LittleEndian.Uint64(data[8*i:])
	}
	return found
}

func read(path string) *load {
	content, err := os.ReadFile(path + ".bin")
	if err != nil {
		log.Fatal(err)
	}
	l := &load{content: content, times: words(path + ".times"), traces: words(path + ".traces")}
	for rest := content; len(rest) > 4; {
		n := binary.LittleEndian.Uint32(rest)
		l.requests = append(l.requests, rest[4:4+n])
		rest = rest[4+n:]
	}
	return l
}

// change moves every time by ns and mixes a word into every trace id.
func (l *load) change(ns int64, trace uint64) {
	for _, at := range l.times {
		word := l.content[at : at+8]
		binary.LittleEndian.PutUint64(word, binary.LittleEndian.Uint64(word)+uint64(ns))
	}
	for _, at := range l.traces {
		word := l.content[at : at+8]
		binary.LittleEndian.PutUint64(word, binary.LittleEndian.Uint64(word)^trace)
	}
}

func overGRPC(address string) func([]byte) error {
	encoding.RegisterCodecV2(raw{})
	client, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	return func(body []byte) error {
		var reply []byte
		return client.Invoke(context.Background(), method, body, &reply, grpc.WaitForReady(true))
	}
}

func overHTTP(address string, workers int) func([]byte) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, DisableCompression: true}}
	url := fmt.Sprintf("http://%s/v1/traces", address)
	return func(body []byte) error {
		reply, err := client.Post(url, "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			return err
		}
		defer reply.Body.Close()
		_, _ = io.Copy(io.Discard, reply.Body)
		if reply.StatusCode != http.StatusOK {
			return errors.New(reply.Status)
		}
		return nil
	}
}

// lap sends every request once; with a duration it spreads them evenly over that time.
func (l *load) lap(send func([]byte) error, workers int, begin time.Time, duration time.Duration) (failed int64) {
	var next, refused atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(l.requests) {
					return
				}
				if duration > 0 {
					time.Sleep(time.Until(begin.Add(duration * time.Duration(i) / time.Duration(len(l.requests)))))
				}
				if err := send(l.requests[i]); err != nil {
					if refused.Add(1) < 4 {
						log.Print(err)
					}
				}
			}
		}()
	}
	group.Wait()
	return refused.Load()
}

func main() {
	protocol := flag.String("protocol", "grpc", "grpc or http")
	address := flag.String("address", "127.0.0.1:4317", "host:port")
	path := flag.String("load", "", "path of the load, without ending")
	workers := flag.Int("workers", 8, "requests in flight")
	laps := flag.Int("laps", 1, "how many times the load is sent")
	first := flag.Int("first", 0, "number of the first lap: laps with different numbers have different trace ids")
	begin := flag.Int64("begin", 0, "epoch nanoseconds at which the first lap begins to happen")
	span := flag.Duration("span", 0, "how long one lap takes to happen")
	paced := flag.Bool("paced", false, "send each lap over the time it takes to happen instead of at once")
	flag.Parse()

	l := read(*path)
	send := overHTTP(*address, *workers)
	if *protocol == "grpc" {
		send = overGRPC(*address)
	}
	var failed int64
	var sending time.Duration
	l.change(*begin, uint64(*first)*lapFactor)
	for lap := range *laps {
		start, pace := time.Now(), time.Duration(0)
		if *paced {
			start, pace = time.Unix(0, *begin).Add(time.Duration(lap)*(*span)), *span
		}
		began := time.Now()
		failed += l.lap(send, *workers, start, pace)
		sending += time.Since(began)
		number := uint64(*first + lap)
		l.change(span.Nanoseconds(), number*lapFactor^(number+1)*lapFactor)
	}
	out, _ := json.Marshal(map[string]any{
		"requests": *laps * len(l.requests), "failed": failed, "wall_s": sending.Seconds()})
	fmt.Println(string(out))
}
