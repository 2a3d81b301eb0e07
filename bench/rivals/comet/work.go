package main

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cometbft/cometbft/p2p"
)

// spread sends count messages to each of the receivers, from w.senders goroutines for each.
func spread(w work) (*outcome, error) {
	count := w.count / w.senders * w.senders
	done := make(chan struct{}, w.receivers)
	var receivers []*node
	for range w.receivers {
		var received atomic.Int64
		receiver, err := start(w.settings, func(p2p.Envelope) {
			if received.Add(1) == int64(count) {
				done <- struct{}{}
			}
		})
		if err != nil {
			return nil, err
		}
		receivers = append(receivers, receiver)
	}
	sender, err := start(w.settings, func(p2p.Envelope) {})
	if err != nil {
		return nil, err
	}
	if err := sender.connect(receivers); err != nil {
		return nil, err
	}
	began, cpu := time.Now(), cpuSecs()
	sendAll(sender, w)
	for range w.receivers {
		select {
		case <-done:
		case <-time.After(patience):
			return nil, fmt.Errorf("the messages did not arrive within %v", patience)
		}
	}
	messages := count * w.receivers
	return &outcome{
		WallSecs: time.Since(began).Seconds(),
		CPUSecs:  cpuSecs() - cpu,
		Bytes:    messages * w.bytes,
		Messages: messages,
	}, nil
}

// timeframe sends for a fixed time; what the receiver has got by its end counts.
func timeframe(w work) (*outcome, error) {
	w.receivers, w.count = 1, math.MaxInt
	var received atomic.Int64
	receiver, err := start(w.settings, func(p2p.Envelope) { received.Add(1) })
	if err != nil {
		return nil, err
	}
	sender, err := start(w.settings, func(p2p.Envelope) {})
	if err != nil {
		return nil, err
	}
	if err := sender.connect([]*node{receiver}); err != nil {
		return nil, err
	}
	began, cpu := time.Now(), cpuSecs()
	// It ends with the process.
	go sendAll(sender, w)
	time.Sleep(w.span())
	messages := int(received.Load())
	return &outcome{
		WallSecs: time.Since(began).Seconds(),
		CPUSecs:  cpuSecs() - cpu,
		Bytes:    messages * w.bytes,
		Messages: messages,
	}, nil
}

func sendAll(sender *node, w work) {
	message := &rawMessage{bytes: make([]byte, w.bytes)}
	var senders sync.WaitGroup
	for _, peer := range sender.sw.Peers().List() {
		for range w.senders {
			senders.Add(1)
			go func() {
				defer senders.Done()
				for range w.count / w.senders {
					// A send gives up after ten seconds of a full queue; none may be lost.
					for !peer.Send(p2p.Envelope{ChannelID: channelID, Message: message}) {
						if !peer.IsRunning() {
							return
						}
					}
				}
			}()
		}
	}
	senders.Wait()
}

// pingPong sends a message, waits for it to come back, and again.
func pingPong(w work) (*outcome, error) {
	back := make(chan struct{}, 1)
	echo, err := start(w.settings, func(e p2p.Envelope) {
		e.Src.Send(p2p.Envelope{ChannelID: channelID, Message: e.Message})
	})
	if err != nil {
		return nil, err
	}
	pinger, err := start(w.settings, func(p2p.Envelope) { back <- struct{}{} })
	if err != nil {
		return nil, err
	}
	if err := pinger.connect([]*node{echo}); err != nil {
		return nil, err
	}
	peer := pinger.sw.Peers().List()[0]
	message := &rawMessage{bytes: make([]byte, w.bytes)}
	times := make([]time.Duration, 0, w.count)
	for range w.count {
		began := time.Now()
		if !peer.Send(p2p.Envelope{ChannelID: channelID, Message: message}) {
			return nil, fmt.Errorf("a ping could not be sent")
		}
		select {
		case <-back:
			times = append(times, time.Since(began))
		case <-time.After(patience):
			return nil, fmt.Errorf("a ping did not come back within %v", patience)
		}
	}
	return &outcome{Latency: percentilesOf(times)}, nil
}

// cpuSecs is the user and system time of this process, in seconds.
func cpuSecs() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // It cannot fail with a valid pointer.
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
