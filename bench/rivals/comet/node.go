package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/conn"
	"github.com/cometbft/cometbft/version"
	"github.com/cosmos/gogoproto/proto"
)

// channelID is below 0x80, or a full last packet would be a byte over what the other side accepts:
// the reference counts the packet's header with the shortest id.
const channelID = byte(0x42)

// voteChannelID is the channel of votes, beside bulk.
const voteChannelID = byte(0x22)

// p2pConfig is CometBFT's configuration under one of three names: as it comes, as its own bench
// sets it, and as it comes without the wait before a flush.
func p2pConfig(settings string) (*config.P2PConfig, error) {
	c := config.DefaultP2PConfig()
	c.AllowDuplicateIP = true
	c.PexReactor = false
	switch settings {
	case "default":
		// Its rates are limits for the internet; with them every figure would be the limit.
		c.SendRate, c.RecvRate = 1<<30, 1<<30
	case "maxed":
		c.SendRate, c.RecvRate = 1<<30, 1<<30
		c.MaxPacketMsgPayloadSize = 4 << 20
	case "flush0":
		c.SendRate, c.RecvRate = 1<<30, 1<<30
		c.FlushThrottleTimeout = 0
	default:
		return nil, fmt.Errorf("no such settings: %s", settings)
	}
	return c, nil
}

// descriptor is the bench's channel: with a bulk sender's queue, or the largest as its own bench
// has it.
func descriptor(settings string) *conn.ChannelDescriptor {
	d := &conn.ChannelDescriptor{
		ID:                  channelID,
		Priority:            5,
		SendQueueCapacity:   100,
		RecvBufferCapacity:  4096,
		RecvMessageCapacity: 4 << 20,
		MessageType:         &rawMessage{},
	}
	if settings == "maxed" {
		d.SendQueueCapacity = 100_000
		d.RecvBufferCapacity = 4 << 20
	}
	return d
}

// votes is the channel of votes, with consensus' priority and queue.
func votes() *conn.ChannelDescriptor {
	return &conn.ChannelDescriptor{
		ID:                  voteChannelID,
		Priority:            7,
		SendQueueCapacity:   100,
		RecvBufferCapacity:  4096,
		RecvMessageCapacity: 4 << 20,
		MessageType:         &rawMessage{},
	}
}

// node is a switch with one reactor.
type node struct {
	sw        *p2p.Switch
	transport *p2p.MultiplexTransport
}

func start(settings string, receive func(p2p.Envelope)) (*node, error) {
	c, err := p2pConfig(settings)
	if err != nil {
		return nil, err
	}
	key := p2p.NodeKey{PrivKey: ed25519.GenPrivKey()}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	info := p2p.DefaultNodeInfo{
		ProtocolVersion: p2p.NewProtocolVersion(version.P2PProtocol, version.BlockProtocol, 0),
		DefaultNodeID:   key.ID(),
		ListenAddr:      "tcp://" + address,
		Network:         "bench",
		Version:         version.TMCoreSemVer,
		Channels:        []byte{channelID, voteChannelID},
		Moniker:         "comet-bench",
		Other:           p2p.DefaultNodeInfoOther{TxIndex: "on"},
	}
	transport := p2p.NewMultiplexTransport(info, key, p2p.MConnConfig(c))
	listened, err := p2p.NewNetAddressString(p2p.IDAddressString(key.ID(), address))
	if err != nil {
		return nil, err
	}
	if err := transport.Listen(*listened); err != nil {
		return nil, err
	}
	sw := p2p.NewSwitch(c, transport)
	// Errors alone: a connection that breaks says why, and the bench shows the last line.
	logger := log.NewFilter(log.NewTMLogger(log.NewSyncWriter(os.Stderr)), log.AllowError())
	sw.SetLogger(logger)
	sw.AddReactor("BENCH", newReactor([]*conn.ChannelDescriptor{descriptor(settings), votes()}, receive))
	sw.SetNodeInfo(info)
	sw.SetNodeKey(&key)
	return &node{sw, transport}, sw.Start()
}

// connect dials each of others and waits until both sides know each other.
func (n *node) connect(others []*node) error {
	for _, other := range others {
		address := other.transport.NetAddress()
		if err := n.sw.DialPeerWithAddress(&address); err != nil {
			return err
		}
	}
	for _, other := range others {
		for other.sw.Peers().Size() == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// freePort is free at the moment: NodeInfo names the port before the transport listens.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// reactor hands what it receives to a function.
type reactor struct {
	p2p.BaseReactor
	descriptors []*conn.ChannelDescriptor
	receive     func(p2p.Envelope)
}

func newReactor(descriptors []*conn.ChannelDescriptor, receive func(p2p.Envelope)) *reactor {
	r := &reactor{descriptors: descriptors, receive: receive}
	r.BaseReactor = *p2p.NewBaseReactor("BENCH", r)
	return r
}

func (r *reactor) GetChannels() []*conn.ChannelDescriptor {
	return r.descriptors
}

func (r *reactor) Receive(envelope p2p.Envelope) { r.receive(envelope) }

// rawMessage travels as the bytes it holds, so that a message has the size the bench asks for and
// protobuf costs as little as it can.
type rawMessage struct{ bytes []byte }

var _ proto.Message = (*rawMessage)(nil)

func (m *rawMessage) Reset()                   { m.bytes = nil }
func (m *rawMessage) String() string           { return fmt.Sprintf("%d bytes", len(m.bytes)) }
func (*rawMessage) ProtoMessage()              {}
func (m *rawMessage) Marshal() ([]byte, error) { return m.bytes, nil }

// Unmarshal copies: the connection uses its buffer again for the next message.
func (m *rawMessage) Unmarshal(bytes []byte) error {
	m.bytes = append([]byte(nil), bytes...)
	return nil
}

// Merge clones the channel's prototype, which is empty.
func (m *rawMessage) Merge(from proto.Message) {
	m.bytes = append([]byte(nil), from.(*rawMessage).bytes...)
}
