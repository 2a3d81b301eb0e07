package peer

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cometbft/cometbft/libs/log"
)

// fields of one event; every event is one line of JSON.
type fields map[string]any

// events writes lines from any goroutine, each whole.
type events struct {
	mutex sync.Mutex
	out   *json.Encoder
}

func newEvents(out io.Writer) *events { return &events{out: json.NewEncoder(out)} }

func (e *events) emit(kind string, more fields) {
	line := fields{"event": kind}
	for key, value := range more {
		line[key] = value
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if err := e.out.Encode(line); err != nil {
		// Whoever listened has gone, and this program serves nobody else.
		fmt.Fprintln(os.Stderr, "cometpeer: nobody listens:", err)
		os.Exit(1)
	}
}

// heartbeats counts what the connections of the process said of pings and pongs.
type heartbeats struct {
	PingsSent     atomic.Int64
	PingsReceived atomic.Int64
	PongsSent     atomic.Int64
	PongsReceived atomic.Int64
}

func (h *heartbeats) fields() fields {
	return fields{
		"pings_sent":     h.PingsSent.Load(),
		"pings_received": h.PingsReceived.Load(),
		"pongs_sent":     h.PongsSent.Load(),
		"pongs_received": h.PongsReceived.Load(),
	}
}

// watcher is a logger that writes to standard error and also hears what CometBFT tells to its log
// alone: refused connections, and each ping and pong.
type watcher struct {
	log.Logger
	events *events
	beats  *heartbeats
	// verbose also writes debug lines.
	verbose bool
}

func (w *watcher) With(keyvals ...any) log.Logger {
	inner := *w
	inner.Logger = w.Logger.With(keyvals...)
	return &inner
}

func (w *watcher) Debug(message string, keyvals ...any) {
	switch message {
	case "Send Ping":
		w.beats.PingsSent.Add(1)
	case "Receive Ping":
		w.beats.PingsReceived.Add(1)
	case "Send Pong":
		w.beats.PongsSent.Add(1)
	case "Receive Pong":
		w.beats.PongsReceived.Add(1)
	}
	if w.verbose {
		w.Logger.Debug(message, keyvals...)
	}
}

func (w *watcher) Info(message string, keyvals ...any) {
	switch message {
	case "Inbound Peer rejected",
		"Ignoring inbound connection: already have enough inbound peers",
		"Ignoring inbound connection: error while adding peer":
		w.events.emit("rejected", fields{"message": message, "error": valueOf("err", keyvals)})
	}
	w.Logger.Info(message, keyvals...)
}

// valueOf is the text of a key's value in the pairs of a log line; empty where it is not there.
func valueOf(key string, keyvals []any) string {
	for at := 0; at+1 < len(keyvals); at += 2 {
		if keyvals[at] == key {
			return fmt.Sprint(keyvals[at+1])
		}
	}
	return ""
}
