package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cometbft/cometbft/p2p"
)

const (
	voteBytes  = 200
	votePeriod = time.Millisecond
	// warmUp is the time before the measured window, in which queues and buffers fill.
	warmUp = 500 * time.Millisecond
)

// window collects the votes that were due and came in a time that is opened once.
type window struct {
	mutex    sync.Mutex
	from, to time.Time
	slow     p2p.ID
	times    []time.Duration
	slowOnes int
}

func (v *window) vote(from p2p.ID, bytes []byte) {
	now := time.Now()
	due := time.Unix(0, int64(binary.BigEndian.Uint64(bytes)))
	v.mutex.Lock()
	defer v.mutex.Unlock()
	switch {
	case v.from.IsZero() || due.Before(v.from) || now.After(v.to):
	case from == v.slow:
		v.slowOnes++
	default:
		v.times = append(v.times, now.Sub(due))
	}
}

// delay sends bulk over one of two links to a reactor that takes its time for each message, and
// votes over both; what is measured is the bulk, and the votes of the other link.
func delay(w work) (*outcome, error) {
	var handled atomic.Int64
	votes := &window{}
	receiver, err := start(w.settings, func(e p2p.Envelope) {
		if e.ChannelID == voteChannelID {
			votes.vote(e.Src.ID(), e.Message.(*rawMessage).bytes)
			return
		}
		time.Sleep(time.Duration(w.delayMs) * time.Millisecond)
		handled.Add(1)
	})
	if err != nil {
		return nil, err
	}
	var links []*node
	for range 2 {
		link, err := start(w.settings, func(p2p.Envelope) {})
		if err != nil {
			return nil, err
		}
		links = append(links, link)
	}
	slow := links[0]
	votes.slow = slow.sw.NodeInfo().ID()
	if err := receiver.connect(links); err != nil {
		return nil, err
	}
	// All of them end with the process.
	w.senders, w.count = 1, math.MaxInt
	go sendAll(slow, w)
	for _, link := range links {
		go sendVotes(link.sw.Peers().List()[0])
	}
	time.Sleep(warmUp)
	began, cpu, before := time.Now(), cpuSecs(), handled.Load()
	votes.mutex.Lock()
	votes.from, votes.to = began, began.Add(w.span())
	votes.mutex.Unlock()
	time.Sleep(w.span())
	messages := int(handled.Load() - before)
	wall, used := time.Since(began).Seconds(), cpuSecs()-cpu
	votes.mutex.Lock()
	defer votes.mutex.Unlock()
	if len(votes.times) == 0 {
		return nil, fmt.Errorf("no vote came over the other link")
	}
	due := w.secs / votePeriod.Seconds()
	return &outcome{
		WallSecs: wall,
		Bytes:    messages * w.bytes,
		Messages: messages,
		Others: []named{
			{"CPU, all three nodes", "% of a core", used / wall * 100},
			{"votes in time, other link", "%", float64(len(votes.times)) / due * 100},
			{"votes in time, slow link", "%", float64(votes.slowOnes) / due * 100},
		},
		Latency: percentilesOf(votes.times),
	}, nil
}

// sendVotes sends votes at a fixed rate, each with the time at which it was due. One that finds no
// room keeps its time and is tried again.
func sendVotes(peer p2p.Peer) {
	for due := time.Now(); peer.IsRunning(); due = due.Add(votePeriod) {
		time.Sleep(time.Until(due))
		bytes := make([]byte, voteBytes)
		binary.BigEndian.PutUint64(bytes, uint64(due.UnixNano()))
		for !peer.TrySend(p2p.Envelope{ChannelID: voteChannelID, Message: &rawMessage{bytes: bytes}}) {
			if !peer.IsRunning() {
				return
			}
			time.Sleep(votePeriod)
		}
	}
}
