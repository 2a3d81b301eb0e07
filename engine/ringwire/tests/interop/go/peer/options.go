package peer

import (
	"flag"
	"strings"
	"time"

	"github.com/cometbft/cometbft/config"
)

// options are the flags of `cometpeer run`.
type options struct {
	home              string
	laddr             string
	network           string
	moniker           string
	seeds             string
	persistentPeers   string
	seedMode          bool
	pex               bool
	bookStrict        bool
	duplicateIP       bool
	maxInbound        int
	maxOutbound       int
	sendRate          int64
	recvRate          int64
	packetPayload     int
	flushThrottle     time.Duration
	pingInterval      time.Duration
	pongTimeout       time.Duration
	ensurePeersPeriod time.Duration
	seedDisconnect    time.Duration
	verbose           bool
}

func (o *options) declare(flags *flag.FlagSet) {
	defaults := config.DefaultP2PConfig()
	flags.StringVar(&o.home, "home", "", "folder of node_key.json and addrbook.json (required)")
	flags.StringVar(&o.laddr, "laddr", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	flags.StringVar(&o.network, "network", "interop", "chain id")
	flags.StringVar(&o.moniker, "moniker", "cometpeer", "name in NodeInfo")
	flags.StringVar(&o.seeds, "seeds", "", "comma list of id@host:port")
	flags.StringVar(&o.persistentPeers, "persistent-peers", "", "comma list of id@host:port")
	flags.BoolVar(&o.seedMode, "seed-mode", false, "crawl, answer one request for each peer, and part")
	flags.BoolVar(&o.pex, "pex", false, "run the PEX reactor")
	flags.BoolVar(&o.bookStrict, "addr-book-strict", false, "keep routable addresses only")
	flags.BoolVar(&o.duplicateIP, "allow-duplicate-ip", true, "let several peers share an address")
	flags.IntVar(&o.maxInbound, "max-inbound", defaults.MaxNumInboundPeers, "inbound peers at most")
	flags.IntVar(&o.maxOutbound, "max-outbound", defaults.MaxNumOutboundPeers, "outbound peers at most")
	flags.Int64Var(&o.sendRate, "send-rate", defaults.SendRate, "bytes per second and peer")
	flags.Int64Var(&o.recvRate, "recv-rate", defaults.RecvRate, "bytes per second and peer")
	flags.IntVar(&o.packetPayload, "packet-payload", defaults.MaxPacketMsgPayloadSize, "bytes of a packet's payload at most")
	flags.DurationVar(&o.flushThrottle, "flush-throttle", defaults.FlushThrottleTimeout, "wait before a flush")
	flags.DurationVar(&o.pingInterval, "ping-interval", 0, "time between pings; 0 is CometBFT's own")
	flags.DurationVar(&o.pongTimeout, "pong-timeout", 0, "wait for a pong; 0 is CometBFT's own")
	flags.DurationVar(&o.ensurePeersPeriod, "ensure-peers-period", 0, "period of the PEX reactor; 0 is CometBFT's own, 30s; a third of it must lie between two requests of a peer")
	flags.DurationVar(&o.seedDisconnect, "seed-disconnect-wait", 28*time.Hour, "how long a seed keeps a peer it dialed")
	flags.BoolVar(&o.verbose, "verbose", false, "also log debug lines to standard error")
}

// config is the p2p section of a CometBFT configuration with these options.
func (o *options) config() *config.P2PConfig {
	c := config.DefaultP2PConfig()
	c.RootDir = o.home
	c.AddrBook = "addrbook.json"
	c.AddrBookStrict = o.bookStrict
	c.ListenAddress = "tcp://" + o.laddr
	c.Seeds = o.seeds
	c.PersistentPeers = o.persistentPeers
	c.SeedMode = o.seedMode
	c.PexReactor = o.pex
	c.AllowDuplicateIP = o.duplicateIP
	c.MaxNumInboundPeers = o.maxInbound
	c.MaxNumOutboundPeers = o.maxOutbound
	c.SendRate = o.sendRate
	c.RecvRate = o.recvRate
	c.MaxPacketMsgPayloadSize = o.packetPayload
	c.FlushThrottleTimeout = o.flushThrottle
	return c
}

// listOf cuts a comma list; an empty text is an empty list.
func listOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}
