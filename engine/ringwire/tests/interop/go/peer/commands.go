package peer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cometbft/cometbft/p2p"
)

// command is one line on standard input. Exactly one of the pointers is set; every command is
// answered by one event "answer" with the same id.
type command struct {
	ID           uint64       `json:"id"`
	Dial         *string      `json:"dial"`
	Send         *sendCommand `json:"send"`
	Echo         *bool        `json:"echo"`
	Peers        *struct{}    `json:"peers"`
	Status       *struct{}    `json:"status"`
	Book         *struct{}    `json:"book"`
	AddAddresses *[]string    `json:"add_addresses"`
	MarkGood     *p2p.ID      `json:"mark_good"`
	RequestAddrs *p2p.ID      `json:"request_addrs"`
	StopPeer     *p2p.ID      `json:"stop_peer"`
	Quit         *struct{}    `json:"quit"`
}

// sendCommand sends Count messages (1 when it is 0) of Size bytes with the seeds Seed, Seed+1, …
type sendCommand struct {
	Peer    p2p.ID `json:"peer"`
	Channel byte   `json:"channel"`
	Size    int    `json:"size"`
	Seed    uint64 `json:"seed"`
	Count   uint64 `json:"count"`
}

// serve obeys commands until it is told to quit or its input ends. What may take long (a dial, a
// send to a full queue) runs beside; everything else is done in order.
func (n *node) serve(input io.Reader) error {
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var told command
		decoder := json.NewDecoder(strings.NewReader(lines.Text()))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&told); err != nil {
			n.events.emit("error", fields{"error": fmt.Sprintf("%s: %v", lines.Text(), err)})
			continue
		}
		if told.Quit != nil {
			n.answer(told, nil, n.stop())
			return nil
		}
		n.obey(told)
	}
	return errors.Join(lines.Err(), n.stop())
}

func (n *node) obey(told command) {
	switch {
	case told.Dial != nil:
		go func() { n.answer(told, nil, n.dial(*told.Dial)) }()
	case told.Send != nil:
		go func() { n.answer(told, nil, n.send(*told.Send)) }()
	case told.Echo != nil:
		n.echo.sendsBack.Store(*told.Echo)
		n.answer(told, nil, nil)
	case told.Peers != nil:
		n.answer(told, fields{"peers": n.peers()}, nil)
	case told.Status != nil:
		n.answer(told, fields{"heartbeats": n.beats.fields()}, nil)
	case told.Book != nil:
		book, err := n.savedBook()
		n.answer(told, fields{"book": book}, err)
	case told.AddAddresses != nil:
		n.answer(told, nil, n.addAddresses(*told.AddAddresses))
	case told.MarkGood != nil:
		n.book.MarkGood(*told.MarkGood)
		n.answer(told, nil, nil)
	case told.RequestAddrs != nil:
		n.answer(told, nil, n.requestAddrs(*told.RequestAddrs))
	case told.StopPeer != nil:
		n.answer(told, nil, n.stopPeer(*told.StopPeer))
	default:
		n.answer(told, nil, errors.New("no command"))
	}
}

func (n *node) answer(told command, more fields, err error) {
	answer := fields{"id": told.ID, "ok": err == nil}
	for key, value := range more {
		answer[key] = value
	}
	if err != nil {
		answer["error"] = err.Error()
	}
	n.events.emit("answer", answer)
}

func (n *node) dial(text string) error {
	address, err := p2p.NewNetAddressString(text)
	if err != nil {
		return err
	}
	return n.sw.DialPeerWithAddress(address)
}

func (n *node) send(told sendCommand) error {
	peer := n.echo.peer(told.Peer)
	if peer == nil {
		return fmt.Errorf("%s is no peer", told.Peer)
	}
	for sent := uint64(0); sent < max(told.Count, 1); sent++ {
		message := &rawMessage{content(told.Seed+sent, told.Size)}
		if !peer.Send(p2p.Envelope{ChannelID: told.Channel, Message: message}) {
			return fmt.Errorf("message %d was not accepted", sent)
		}
	}
	return nil
}

func (n *node) peers() []fields {
	n.echo.mutex.Lock()
	defer n.echo.mutex.Unlock()
	peers := []fields{}
	for _, peer := range n.echo.peers {
		peers = append(peers, describe(peer.Peer))
	}
	return peers
}

// savedBook saves the address book and reads the file: the whole book, in the words of its owner.
func (n *node) savedBook() (json.RawMessage, error) {
	n.book.Save()
	return os.ReadFile(n.options.config().AddrBookFile())
}

// addAddresses puts addresses into the book, each with itself as the one who told it.
func (n *node) addAddresses(texts []string) error {
	for _, text := range texts {
		address, err := p2p.NewNetAddressString(text)
		if err != nil {
			return err
		}
		if err := n.book.AddAddress(address, address); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) requestAddrs(id p2p.ID) error {
	peer := n.echo.peer(id)
	if peer == nil || n.pex == nil {
		return fmt.Errorf("%s is no peer, or there is no PEX reactor", id)
	}
	n.pex.RequestAddrs(peer.Peer)
	return nil
}

func (n *node) stopPeer(id p2p.ID) error {
	peer := n.echo.peer(id)
	if peer == nil {
		return fmt.Errorf("%s is no peer", id)
	}
	n.sw.StopPeerGracefully(peer.Peer)
	return nil
}
