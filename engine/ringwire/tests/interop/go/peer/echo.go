package peer

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/conn"
)

// messageBytesMax lets messages of several megabytes in, whatever the real channel would take.
const messageBytesMax = 8 << 20

// echoesWaiting is how many messages of a channel wait to be sent back before the connection is no
// longer read; then TCP pushes back on whoever floods.
const echoesWaiting = 256

// channels are real ones, with the priorities and send queues of CometBFT's reactors.
var channels = []*conn.ChannelDescriptor{
	channel(0x20, 6, 100),
	channel(0x21, 10, 100),
	channel(0x22, 7, 100),
	channel(0x23, 1, 2),
	channel(0x30, 5, 1),
}

func channel(id byte, priority, queue int) *conn.ChannelDescriptor {
	return &conn.ChannelDescriptor{
		ID:                  id,
		Priority:            priority,
		SendQueueCapacity:   queue,
		RecvBufferCapacity:  4096,
		RecvMessageCapacity: messageBytesMax,
		MessageType:         &rawMessage{},
	}
}

// echo is the reactor of all these channels: it tells of every message, and sends it back while
// it is told to.
type echo struct {
	p2p.BaseReactor
	events    *events
	sendsBack atomic.Bool

	mutex sync.Mutex
	peers map[p2p.ID]*echoPeer
}

// echoPeer is a peer with one queue of answers for each channel, so that a full channel holds up
// no other.
type echoPeer struct {
	p2p.Peer
	answers map[byte]chan []byte
	gone    chan struct{}
}

func newEcho(events *events) *echo {
	e := &echo{events: events, peers: make(map[p2p.ID]*echoPeer)}
	e.BaseReactor = *p2p.NewBaseReactor("ECHO", e)
	return e
}

func (*echo) GetChannels() []*conn.ChannelDescriptor { return channels }

// InitPeer comes before the first message, AddPeer perhaps after it: so the queues are made here.
func (e *echo) InitPeer(peer p2p.Peer) p2p.Peer {
	added := &echoPeer{Peer: peer, answers: make(map[byte]chan []byte), gone: make(chan struct{})}
	for _, channel := range channels {
		answers := make(chan []byte, echoesWaiting)
		added.answers[channel.ID] = answers
		go added.sendBack(channel.ID, answers)
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.peers[peer.ID()] = added
	return peer
}

func (p *echoPeer) sendBack(channel byte, answers <-chan []byte) {
	for {
		select {
		case <-p.gone:
			return
		case message := <-answers:
			// A send gives up after ten seconds of a full queue; an echo must not be lost, so it
			// is offered until the peer has left.
			for !p.Send(p2p.Envelope{ChannelID: channel, Message: &rawMessage{message}}) {
				if !p.IsRunning() {
					return
				}
			}
		}
	}
}

func (e *echo) AddPeer(peer p2p.Peer) { e.events.emit("peer_added", describe(peer)) }

func (e *echo) RemovePeer(peer p2p.Peer, reason any) {
	e.mutex.Lock()
	if removed, there := e.peers[peer.ID()]; there && removed.Peer == peer {
		close(removed.gone)
		delete(e.peers, peer.ID())
	}
	e.mutex.Unlock()
	text := ""
	if reason != nil {
		text = fmt.Sprint(reason)
	}
	e.events.emit("peer_removed", fields{"peer": peer.ID(), "reason": text})
}

func (e *echo) Receive(envelope p2p.Envelope) {
	message := envelope.Message.(*rawMessage).bytes
	e.events.emit("message", fields{
		"peer":    envelope.Src.ID(),
		"channel": envelope.ChannelID,
		"size":    len(message),
		"sha256":  digest(message),
	})
	if !e.sendsBack.Load() {
		return
	}
	if peer := e.peer(envelope.Src.ID()); peer != nil {
		select {
		case peer.answers[envelope.ChannelID] <- message:
		case <-peer.gone:
		}
	}
}

func (e *echo) peer(id p2p.ID) *echoPeer {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.peers[id]
}

// describe is what a test may ask of a peer.
func describe(peer p2p.Peer) fields {
	described := fields{
		"peer":     peer.ID(),
		"outbound": peer.IsOutbound(),
		"remote":   peer.RemoteAddr().String(),
	}
	if info, plain := peer.NodeInfo().(p2p.DefaultNodeInfo); plain {
		described["node_info"] = info
	}
	return described
}
