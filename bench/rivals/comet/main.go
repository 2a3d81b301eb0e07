// Command comet-bench runs CometBFT's own switch and connections over loopback, and prints what one
// run took as a line of JSON. Ringwire's system bench starts it; by hand:
//
//	go run . drain -bytes=65536 -count=16384 -senders=1 -settings=maxed
//	go run . broadcast -bytes=65536 -count=2048 -receivers=7 -settings=default
//	go run . timeframe -bytes=65536 -secs=2 -senders=8 -settings=maxed
//	go run . delay -bytes=65536 -secs=3 -delay-ms=20 -settings=flush0
//	go run . ping-pong -bytes=64 -count=500 -settings=flush0
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

// patience is how long a run may take before it counts as hung.
const patience = time.Minute

// work is what the flags ask for.
type work struct {
	bytes     int
	count     int
	senders   int
	receivers int
	secs      float64
	delayMs   int
	settings  string
}

// span is the fixed time of a timeframe or of a slow receiver.
func (w work) span() time.Duration { return time.Duration(w.secs * float64(time.Second)) }

// outcome is one run; the bench reads it.
type outcome struct {
	WallSecs float64      `json:"wall_secs"`
	CPUSecs  float64      `json:"cpu_secs,omitempty"`
	Bytes    int          `json:"bytes"`
	Messages int          `json:"messages"`
	Latency  *percentiles `json:"latency,omitempty"`
	Others   []named      `json:"others,omitempty"`
}

// named is a figure of one kind of work alone.
type named struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
}

func main() {
	result, err := run(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "comet-bench:", err)
		os.Exit(1)
	}
}

func run(args []string) (*outcome, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("usage: comet-bench drain|broadcast|timeframe|delay|ping-pong [flags]")
	}
	var w work
	flags := flag.NewFlagSet("comet-bench "+args[0], flag.ExitOnError)
	flags.IntVar(&w.bytes, "bytes", 65536, "bytes of a message")
	flags.IntVar(&w.count, "count", 1024, "messages to each receiver, or round trips")
	flags.IntVar(&w.senders, "senders", 1, "goroutines that send (drain, timeframe)")
	flags.IntVar(&w.receivers, "receivers", 7, "nodes that receive (broadcast)")
	flags.Float64Var(&w.secs, "secs", 2, "measured seconds (timeframe, delay)")
	flags.IntVar(&w.delayMs, "delay-ms", 20, "milliseconds that a message takes the receiver (delay)")
	flags.StringVar(&w.settings, "settings", "default", "default, maxed or flush0")
	if err := flags.Parse(args[1:]); err != nil {
		return nil, err
	}
	if w.bytes < 1 || w.count < 1 || w.senders < 1 || w.receivers < 1 || w.secs <= 0 || w.delayMs < 0 {
		return nil, fmt.Errorf("every amount must be at least one")
	}
	switch args[0] {
	case "drain":
		w.receivers = 1
		return spread(w)
	case "broadcast":
		w.senders = 1
		return spread(w)
	case "timeframe":
		return timeframe(w)
	case "delay":
		return delay(w)
	case "ping-pong":
		return pingPong(w)
	default:
		return nil, fmt.Errorf("no such work: %s", args[0])
	}
}
