// Package peer is a peer made of CometBFT's own code: its switch, transport, PEX reactor and
// address book, with a reactor that echoes. Tests drive it by lines of JSON; README.md has them.
//
// It imports only what all lines of CometBFT have under the same name; the rest is a [Line], which
// the program of each line brings.
package peer

import (
	"flag"
	"fmt"
	"os"

	"github.com/cometbft/cometbft/p2p"
	"github.com/cosmos/gogoproto/proto"
)

// Line is what differs between the lines of CometBFT: what they call themselves, and where the
// messages of their wire live.
type Line struct {
	Version    string
	Ping       func() proto.Message
	Pong       func() proto.Message
	Msg        func(channel int32, eof bool, data []byte) proto.Message
	PexRequest func() proto.Message
	PexAddrs   func(addresses []*p2p.NetAddress) proto.Message
}

// Main is the program: it runs a peer, or writes golden vectors.
func Main(line Line) {
	if err := run(line, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cometpeer:", err)
		os.Exit(1)
	}
}

func run(line Line, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: cometpeer run|golden|version [flags]")
	}
	flags := flag.NewFlagSet("cometpeer "+args[0], flag.ExitOnError)
	switch args[0] {
	case "run":
		var options options
		options.declare(flags)
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return serve(line, options)
	case "golden":
		out := flags.String("out", "", "folder for wire.jsonl and node_key.json (required)")
		book := flags.String("book", "", "file for an address book (required)")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return writeGolden(line, *out, *book)
	case "version":
		fmt.Println(line.Version)
		return nil
	default:
		return fmt.Errorf("no such mode: %s", args[0])
	}
}

func serve(line Line, options options) error {
	node, err := newNode(line, options, newEvents(os.Stdout))
	if err != nil {
		return err
	}
	if err := node.start(); err != nil {
		return err
	}
	return node.serve(os.Stdin)
}
