//! Engines in a network in memory: whole nodes, without sockets. Those are counted, so this is a program of its own.

use std::time::{Duration, Instant};

use ringwire::reactor::ChannelDescriptor;
use ringwire::testing::Network;
use ringwire::{ChannelId, Config, DiscoveryConfig, Engine, NodeKey};

const CHANNEL: ChannelId = ChannelId(0x60);
const WITHIN: Duration = Duration::from_secs(30);

fn channel() -> ChannelDescriptor {
    ChannelDescriptor {
        send_queue_capacity: 64,
        ..ChannelDescriptor::new(CHANNEL, 5)
    }
}

fn start(network: &Network, seed: u8, shards: usize, change: impl FnOnce(&mut Config)) -> Engine {
    let mut config = Config {
        shards,
        send_rate: 0,
        recv_rate: 0,
        ..Config::default()
    };
    change(&mut config);
    network
        .builder(config)
        .node_key(NodeKey::from_seed([seed; 32]))
        .channel(channel())
        .start()
        .expect("it takes nothing of the system but threads")
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + WITHIN;
    while !condition() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Open sockets of this process.
#[cfg(target_os = "linux")]
fn sockets() -> usize {
    let files = std::fs::read_dir("/proc/self/fd").expect("procfs");
    let is_socket = |file: std::io::Result<std::fs::DirEntry>| {
        let target = std::fs::read_link(file.ok()?.path()).ok()?;
        target.to_str()?.starts_with("socket:").then_some(())
    };
    files.filter_map(is_socket).count()
}

#[test]
fn messages_of_any_size_arrive_whole_and_in_order_over_several_shards_and_no_socket_is_opened() {
    #[cfg(target_os = "linux")]
    let before = sockets();
    let network = Network::new();
    let (left, right) = (start(&network, 1, 2, |_| ()), start(&network, 2, 3, |_| ()));
    let mut inbox = right.handle().subscribe(CHANNEL).expect("a subscription");
    let peer = network.connect(left.handle(), right.handle());
    let peer = peer.expect("they can talk");
    assert_eq!(peer, right.handle().node_id());
    let sender = left.handle().clone();
    let message = |number: usize| vec![number as u8; (number * 7919) % 300_000 + 1];
    let sending = std::thread::spawn(move || {
        for number in 0..200 {
            let sent = sender.send_blocking(peer, CHANNEL, message(number).into(), WITHIN);
            sent.unwrap_or_else(|error| panic!("message {number}: {error}"));
        }
    });
    for number in 0..200 {
        let delivery = inbox.recv_timeout(WITHIN).expect("a message");
        assert_eq!(delivery.message, message(number), "message {number}");
    }
    sending.join().expect("no panic");
    let status = &left.handle().peers()[0];
    assert_eq!(
        status.framing,
        ringwire::peer::Framing::Wide,
        "it is encrypted"
    );
    #[cfg(target_os = "linux")]
    assert_eq!(sockets(), before);
}

#[test]
fn nodes_find_each_other_by_one_seed() {
    let network = Network::new();
    let seed = start(&network, 1, 1, |config| {
        config.discovery.pex_interval = Duration::from_secs(1);
    });
    let seeds = vec![network.address_of(seed.handle())];
    let nodes: Vec<_> = (2..6)
        .map(|number| {
            start(&network, number, 1, |config| {
                config.discovery = DiscoveryConfig {
                    seeds: seeds.clone(),
                    pex_interval: Duration::from_secs(1),
                    ..DiscoveryConfig::default()
                };
            })
        })
        .collect();
    wait_until("each knows more than the seed", || {
        nodes.iter().all(|node| node.handle().peers().len() >= 2)
    });
}
