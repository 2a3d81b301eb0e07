// Command cometpeer, of CometBFT v1.
package main

import (
	wire "github.com/cometbft/cometbft/api/cometbft/p2p/v1"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/version"
	"github.com/cosmos/gogoproto/proto"

	"ringwire.example/peer"
)

func main() {
	peer.Main(peer.Line{
		Version: version.CMTSemVer,
		Ping: func() proto.Message {
			return &wire.Packet{Sum: &wire.Packet_PacketPing{PacketPing: &wire.PacketPing{}}}
		},
		Pong: func() proto.Message {
			return &wire.Packet{Sum: &wire.Packet_PacketPong{PacketPong: &wire.PacketPong{}}}
		},
		Msg: func(channel int32, eof bool, data []byte) proto.Message {
			part := &wire.PacketMsg{ChannelID: channel, EOF: eof, Data: data}
			return &wire.Packet{Sum: &wire.Packet_PacketMsg{PacketMsg: part}}
		},
		PexRequest: func() proto.Message {
			return &wire.Message{Sum: &wire.Message_PexRequest{PexRequest: &wire.PexRequest{}}}
		},
		PexAddrs: func(addresses []*p2p.NetAddress) proto.Message {
			answer := &wire.PexAddrs{Addrs: p2p.NetAddressesToProto(addresses)}
			return &wire.Message{Sum: &wire.Message_PexAddrs{PexAddrs: answer}}
		},
	})
}
