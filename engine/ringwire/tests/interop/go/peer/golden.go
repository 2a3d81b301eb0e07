package peer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/protoio"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/pex"
	"github.com/cometbft/cometbft/version"
	"github.com/cosmos/gogoproto/proto"
)

// bookSize is how many addresses the golden address book holds; each third of them is good.
const bookSize = 20

// writeGolden writes what CometBFT encodes: into folder out one line of JSON for each message of
// the wire (wire.jsonl) and a node key; into the file book an address book.
func writeGolden(line Line, out, book string) error {
	if out == "" || book == "" {
		return errors.New("-out and -book are required")
	}
	for _, folder := range []string{out, filepath.Dir(book)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	key, err := writeNodeKey(filepath.Join(out, "node_key.json"))
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	g := golden{line, json.NewEncoder(&lines)}
	err = errors.Join(g.nodeKey(key), g.nodeInfos(key.ID()), g.pexMessages(), g.packets())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "wire.jsonl"), lines.Bytes(), 0o644); err != nil {
		return err
	}
	return writeBook(book)
}

// writeNodeKey saves the key of a fixed secret, so that the vectors are the same each time.
func writeNodeKey(path string) (*p2p.NodeKey, error) {
	key := &p2p.NodeKey{PrivKey: ed25519.GenPrivKeyFromSecret([]byte("golden node key"))}
	return key, key.SaveAs(path)
}

// golden writes vectors, one a line: what was encoded, in words, and its bytes.
type golden struct {
	line  Line
	lines *json.Encoder
}

func (g golden) put(kind string, encoded []byte, more fields) error {
	line := fields{"kind": kind, "bytes": hex.EncodeToString(encoded)}
	for key, value := range more {
		line[key] = value
	}
	return g.lines.Encode(line)
}

func (g golden) nodeKey(key *p2p.NodeKey) error {
	return g.put("node_key", key.PubKey().Bytes(), fields{"id": key.ID()})
}

func (g golden) nodeInfos(id p2p.ID) error {
	full := p2p.DefaultNodeInfo{
		ProtocolVersion: p2p.NewProtocolVersion(version.P2PProtocol, version.BlockProtocol, 300),
		DefaultNodeID:   id,
		ListenAddr:      "tcp://203.0.113.7:26656",
		Network:         "golden-chain-1",
		Version:         g.line.Version,
		Channels:        []byte{0x40, 0x20, 0x21, 0x22, 0x23, 0x30, 0x38, 0x60, 0x61, 0x00},
		Moniker:         "a full node",
		Other:           p2p.DefaultNodeInfoOther{TxIndex: "on", RPCAddress: "tcp://0.0.0.0:26657"},
	}
	// What is empty is not written, but for the two messages inside.
	least := p2p.DefaultNodeInfo{DefaultNodeID: id}
	for _, info := range []p2p.DefaultNodeInfo{full, least} {
		encoded, err := protoio.MarshalDelimited(info.ToProto())
		if err != nil {
			return err
		}
		if err := g.put("node_info", encoded, fields{"node_info": info}); err != nil {
			return err
		}
	}
	return nil
}

func (g golden) pexMessages() error {
	encoded, err := proto.Marshal(g.line.PexRequest())
	if err != nil {
		return err
	}
	if err := g.put("pex_request", encoded, nil); err != nil {
		return err
	}
	// The longest is the longest answer of an address book.
	for _, count := range []int{0, 1, 3, 250} {
		addresses := goldenAddresses(count)
		texts := []string{}
		for _, address := range addresses {
			texts = append(texts, address.String())
		}
		encoded, err := proto.Marshal(g.line.PexAddrs(addresses))
		if err != nil {
			return err
		}
		if err := g.put("pex_addrs", encoded, fields{"addresses": texts}); err != nil {
			return err
		}
	}
	return nil
}

func (g golden) packets() error {
	err := errors.Join(
		g.packet("ping", g.line.Ping(), nil),
		g.packet("pong", g.line.Pong(), nil),
	)
	seed := uint64(0)
	for _, channel := range []int32{0x00, 0x01, 0x22, 0x7f, 0x80, 0xff} {
		for _, size := range []int{0, 1, 127, 128, 1023, 1024} {
			for _, eof := range []bool{false, true} {
				seed++
				packet := g.line.Msg(channel, eof, content(seed, size))
				told := fields{"channel": channel, "eof": eof, "size": size, "seed": seed}
				err = errors.Join(err, g.packet("packet_msg", packet, told))
			}
		}
	}
	return err
}

func (g golden) packet(kind string, packet proto.Message, more fields) error {
	encoded, err := protoio.MarshalDelimited(packet)
	if err != nil {
		return err
	}
	return g.put(kind, encoded, more)
}

// goldenAddresses are routable; each fifth is of IPv6, and each fourth shares its group of
// addresses with the one before it.
func goldenAddresses(count int) []*p2p.NetAddress {
	addresses := make([]*p2p.NetAddress, 0, count)
	for i := 0; i < count; i++ {
		secret := fmt.Sprintf("golden address %d", i)
		key := p2p.NodeKey{PrivKey: ed25519.GenPrivKeyFromSecret([]byte(secret))}
		ip := net.IPv4(byte(20+i%64), byte(i-i%4), 5, byte(1+i%250)).To4()
		if i%4 == 3 {
			ip = net.IPv4(byte(20+(i-1)%64), byte(i-i%4), 6, byte(1+i%250)).To4()
		}
		if i%5 == 4 {
			ip = net.ParseIP(fmt.Sprintf("2a01:4f8:%x::%x", i, i+1))
		}
		address := p2p.NewNetAddressIPPort(ip, uint16(26656+i))
		address.ID = key.ID()
		addresses = append(addresses, address)
	}
	return addresses
}

// writeBook fills a real address book: addresses told by three peers, some of them told by two,
// some good, some tried in vain.
func writeBook(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	book := pex.NewAddrBook(path, true)
	addresses := goldenAddresses(bookSize)
	for i, address := range addresses {
		if err := book.AddAddress(address, addresses[i%3]); err != nil {
			return err
		}
		if i%4 == 0 {
			// A second source puts a known address into another bucket half of the time.
			if err := book.AddAddress(address, addresses[(i+1)%3]); err != nil {
				return err
			}
		}
		if i%3 == 0 {
			book.MarkGood(address.ID)
		}
		if i%7 == 1 {
			book.MarkAttempt(address)
		}
	}
	if book.Size() != bookSize {
		return fmt.Errorf("the book holds %d addresses", book.Size())
	}
	book.Save()
	return nil
}
