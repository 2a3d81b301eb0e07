// Command channels prints what the reactors of a CometBFT node declare of their channels: a JSON
// object a line.
package main

import (
	"encoding/json"
	"os"

	"github.com/cometbft/cometbft/blocksync"
	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/consensus"
	"github.com/cometbft/cometbft/evidence"
	"github.com/cometbft/cometbft/mempool"
	"github.com/cometbft/cometbft/p2p/conn"
	"github.com/cometbft/cometbft/p2p/pex"
	"github.com/cometbft/cometbft/statesync"
)

// channel is a line of the output.
type channel struct {
	Reactor             string `json:"reactor"`
	ID                  byte   `json:"id"`
	Priority            int    `json:"priority"`
	SendQueueCapacity   int    `json:"send_queue_capacity"`
	RecvBufferCapacity  int    `json:"recv_buffer_capacity"`
	RecvMessageCapacity int    `json:"recv_message_capacity"`
}

func main() {
	reactors := []struct {
		name     string
		channels []*conn.ChannelDescriptor
	}{
		{"pex", (&pex.Reactor{}).GetChannels()},
		{"consensus", (&consensus.Reactor{}).GetChannels()},
		{"mempool", mempool.NewReactor(config.DefaultMempoolConfig(), nil).GetChannels()},
		{"evidence", (&evidence.Reactor{}).GetChannels()},
		{"blocksync", (&blocksync.Reactor{}).GetChannels()},
		{"statesync", (&statesync.Reactor{}).GetChannels()},
	}
	out := json.NewEncoder(os.Stdout)
	for _, reactor := range reactors {
		for _, described := range reactor.channels {
			// As the connection will take them.
			d := described.FillDefaults()
			line := channel{
				reactor.name, d.ID, d.Priority,
				d.SendQueueCapacity, d.RecvBufferCapacity, d.RecvMessageCapacity,
			}
			if err := out.Encode(line); err != nil {
				os.Exit(1)
			}
		}
	}
}
