package peer

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/pex"
	"github.com/cometbft/cometbft/version"
)

// portAttempts is how often a free port is looked for: between finding it and listening on it
// somebody else may take it.
const portAttempts = 20

// node is CometBFT's whole peer-to-peer layer, put together as its node does it, without the rest
// of a node.
type node struct {
	line      Line
	options   options
	events    *events
	beats     *heartbeats
	key       *p2p.NodeKey
	transport *p2p.MultiplexTransport
	book      pex.AddrBook
	pex       *pex.Reactor
	echo      *echo
	sw        *p2p.Switch
}

func newNode(line Line, options options, events *events) (*node, error) {
	if options.home == "" {
		return nil, errors.New("-home is required")
	}
	if err := os.MkdirAll(options.home, 0o755); err != nil {
		return nil, err
	}
	key, err := p2p.LoadOrGenNodeKey(filepath.Join(options.home, "node_key.json"))
	if err != nil {
		return nil, err
	}
	n := &node{line: line, options: options, events: events, key: key, beats: &heartbeats{}}
	logger := n.logger()
	p2pConfig := options.config()
	info, err := n.listen(p2pConfig)
	if err != nil {
		return nil, err
	}
	n.echo = newEcho(events)
	n.echo.SetLogger(logger)
	n.sw = p2p.NewSwitch(p2pConfig, n.transport)
	n.sw.SetLogger(logger)
	n.sw.AddReactor("ECHO", n.echo)
	n.sw.SetNodeInfo(info)
	n.sw.SetNodeKey(key)
	return n, n.addBook(p2pConfig, logger)
}

func (n *node) logger() log.Logger {
	plain := log.NewTMLogger(log.NewSyncWriter(os.Stderr))
	return &watcher{Logger: plain, events: n.events, beats: n.beats, verbose: n.options.verbose}
}

// listen makes the transport. NodeInfo names the port and goes into the transport before that
// listens, so a port is chosen first.
func (n *node) listen(p2pConfig *config.P2PConfig) (p2p.DefaultNodeInfo, error) {
	for attempt := 1; ; attempt++ {
		address, err := freeAddress(n.options.laddr)
		if err != nil {
			return p2p.DefaultNodeInfo{}, err
		}
		info, err := n.tryListen(p2pConfig, address)
		if err == nil || attempt == portAttempts || !errors.Is(err, syscall.EADDRINUSE) {
			return info, err
		}
	}
}

func (n *node) tryListen(p2pConfig *config.P2PConfig, address string) (p2p.DefaultNodeInfo, error) {
	info := n.nodeInfo(address)
	listened, err := p2p.NewNetAddressString(p2p.IDAddressString(n.key.ID(), address))
	if err != nil {
		return info, err
	}
	connection := p2p.MConnConfig(p2pConfig)
	if n.options.pingInterval > 0 {
		connection.PingInterval = n.options.pingInterval
	}
	if n.options.pongTimeout > 0 {
		connection.PongTimeout = n.options.pongTimeout
	}
	n.transport = p2p.NewMultiplexTransport(info, *n.key, connection)
	if !p2pConfig.AllowDuplicateIP {
		p2p.MultiplexTransportConnFilters(p2p.ConnDuplicateIPFilter())(n.transport)
	}
	p2p.MultiplexTransportMaxIncomingConnections(p2pConfig.MaxNumInboundPeers)(n.transport)
	p2pConfig.ListenAddress = "tcp://" + address
	return info, n.transport.Listen(*listened)
}

func (n *node) nodeInfo(address string) p2p.DefaultNodeInfo {
	info := p2p.DefaultNodeInfo{
		ProtocolVersion: p2p.NewProtocolVersion(version.P2PProtocol, version.BlockProtocol, 0),
		DefaultNodeID:   n.key.ID(),
		ListenAddr:      "tcp://" + address,
		Network:         n.options.network,
		Version:         n.line.Version,
		Moniker:         n.options.moniker,
		Other:           p2p.DefaultNodeInfoOther{TxIndex: "on"},
	}
	for _, channel := range channels {
		info.Channels = append(info.Channels, channel.ID)
	}
	if n.options.pex {
		info.Channels = append(info.Channels, pex.PexChannel)
	}
	return info
}

// addBook gives the switch its address book, and the PEX reactor if it is asked for.
func (n *node) addBook(p2pConfig *config.P2PConfig, logger log.Logger) error {
	n.book = pex.NewAddrBook(p2pConfig.AddrBookFile(), p2pConfig.AddrBookStrict)
	n.book.SetLogger(logger)
	ours := n.transport.NetAddress()
	n.book.AddOurAddress(&ours)
	n.sw.SetAddrBook(n.book)
	if !n.options.pex {
		return nil
	}
	n.pex = pex.NewReactor(n.book, &pex.ReactorConfig{
		Seeds:                    listOf(p2pConfig.Seeds),
		SeedMode:                 p2pConfig.SeedMode,
		SeedDisconnectWaitPeriod: n.options.seedDisconnect,
	})
	if n.options.ensurePeersPeriod > 0 {
		n.pex.SetEnsurePeersPeriod(n.options.ensurePeersPeriod)
	}
	n.pex.SetLogger(logger)
	n.sw.AddReactor("PEX", n.pex)
	return nil
}

func (n *node) start() error {
	if err := n.sw.AddPersistentPeers(listOf(n.options.persistentPeers)); err != nil {
		return err
	}
	if err := n.sw.Start(); err != nil {
		return err
	}
	address := n.transport.NetAddress()
	n.events.emit("listening", fields{
		"id":      n.key.ID(),
		"address": address.String(),
		"version": n.line.Version,
		"network": n.options.network,
	})
	return n.sw.DialPeersAsync(listOf(n.options.persistentPeers))
}

// stop ends switch, reactors and transport in the order of CometBFT's node.
func (n *node) stop() error {
	if err := n.sw.Stop(); err != nil {
		return err
	}
	return n.transport.Close()
}

// freeAddress replaces port 0 by one that is free at the moment.
func freeAddress(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "0" {
		return address, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	defer listener.Close()
	taken, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return "", fmt.Errorf("%v is no TCP address", listener.Addr())
	}
	return net.JoinHostPort(host, fmt.Sprint(taken.Port)), nil
}
