//! Engines that listen on several addresses, Unix sockets among them.

use std::path::Path;
use std::time::Duration;

use ringwire::peer::{BanTarget, Direction, RemoteAddr};
use ringwire::{Builder, Engine, ListenAddr, NetAddress};
use ringwire_codec::NodeKey;

use crate::common::{CHANNEL, Echo, channel, config, echo_builder, skip_without_ring, wait_until};

const WITHIN: Duration = Duration::from_secs(30);

fn unix(dir: &Path, name: &str) -> ListenAddr {
    ListenAddr::Unix(dir.join(name).display().to_string())
}

/// An engine that echoes and listens there.
fn echo_at(addresses: Vec<ListenAddr>, seed: u8) -> Engine {
    let mut config = config();
    config.listen_addrs = addresses;
    let builder = Engine::builder(config)
        .node_key(NodeKey::from_seed([seed; 32]))
        .shards(2)
        .reactor("echo", |_| Echo::default());
    builder.start().expect("all addresses are free")
}

fn caller(change: impl FnOnce(&mut ringwire::Config)) -> Builder {
    let mut config = config();
    change(&mut config);
    Engine::builder(config).shards(2).channel(channel())
}

/// The addresses by which an engine is dialed.
fn addresses(engine: &Engine) -> Vec<NetAddress> {
    let handle = engine.handle();
    let listens = handle.listen_addrs().iter();
    listens
        .map(|at| {
            format!("{}@{at}", handle.node_id())
                .parse()
                .expect("an address")
        })
        .collect()
}

#[test]
fn a_node_is_reached_at_each_of_its_addresses_and_tells_the_first_tcp_one() {
    if skip_without_ring() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let tcp = || "127.0.0.1:0".parse().expect("an address");
    let listens = vec![unix(dir.path(), "a"), tcp(), tcp(), unix(dir.path(), "b")];
    let echo = echo_at(listens, 1);
    let told = echo.handle().listen_addr();
    assert_eq!(echo.handle().listen_addrs()[1], told.into());
    for address in addresses(&echo) {
        let caller = caller(|_| ()).start().expect("the calling engine");
        let mut answers = caller.handle().subscribe(CHANNEL).expect("a subscription");
        let peer = caller.handle().dial_blocking(address.clone());
        let peer = peer.unwrap_or_else(|error| panic!("{address}: {error}"));
        let status = &caller.handle().peers()[0];
        assert_eq!(status.node_info.listen_addr, told.to_string());
        assert_eq!(status.remote_addr.ip().is_none(), address.port == 0);
        let sent = caller
            .handle()
            .send_blocking(peer, CHANNEL, "hello".into(), WITHIN);
        sent.expect("it is connected");
        let answer = answers.recv_timeout(WITHIN).expect("an answer");
        assert_eq!(&answer.message[..], b"hello", "{address}");
        caller.handle().shutdown_blocking(WITHIN).expect("it ends");
    }
    echo.handle().shutdown_blocking(WITHIN).expect("it ends");
    let left = std::fs::read_dir(dir.path()).expect("a directory").count();
    assert_eq!(left, 0, "the files of its sockets went with it");
}

#[test]
fn a_persistent_peer_behind_a_unix_socket_comes_back_and_no_rule_of_addresses_holds_for_it() {
    if skip_without_ring() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let listens = vec![unix(dir.path(), "echo.sock")];
    let echo = echo_at(listens.clone(), 1);
    assert_eq!(echo.handle().listen_addr().to_string(), "0.0.0.0:0");
    let at = addresses(&echo);
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let builder = caller(|config| {
                config.persistent_peers = at.clone();
                config.allow_duplicate_ip = false;
                config.max_num_peers_per_ip = 1;
                config.max_num_peers_per_subnet = 1;
            });
            builder.start().expect("a calling engine")
        })
        .collect();
    wait_until("both are connected", || echo.handle().peers().len() == 2);
    let path = RemoteAddr::Unix(dir.path().join("echo.sock").display().to_string().into());
    for peer in echo.handle().peers() {
        assert_eq!(
            (peer.direction, &peer.remote_addr),
            (Direction::Inbound, &path)
        );
    }
    let anywhere = BanTarget::Ip([127, 0, 0, 1].into());
    echo.handle().ban(anywhere, WITHIN);
    assert_eq!(echo.handle().peers().len(), 2);
    echo.handle().shutdown_blocking(WITHIN).expect("it ends");
    let echo = echo_at(listens, 1);
    wait_until("both are back", || echo.handle().peers().len() == 2);
    drop(callers);
}

#[test]
fn the_address_that_cannot_be_had_is_named_and_the_others_are_let_go() {
    if skip_without_ring() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let first = echo_builder(1, 1).start().expect("the first engine");
    let taken = first.handle().listen_addr();
    let mut config = config();
    config.listen_addrs = vec![unix(dir.path(), "mine.sock"), taken.into()];
    let Err(error) = Engine::builder(config).shards(2).start() else {
        panic!("two engines on one port");
    };
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    assert!(!dir.path().join("mine.sock").exists());

    let live = echo_at(vec![unix(dir.path(), "live.sock")], 2);
    let mut config = crate::common::config();
    config.listen_addrs = live.handle().listen_addrs().to_vec();
    let Err(error) = Engine::builder(config).shards(2).start() else {
        panic!("two engines on one path");
    };
    let error = error.to_string();
    assert!(
        error.contains("live.sock") && error.contains("another program"),
        "{error}"
    );
    // A look at who is there costs the owner nothing.
    assert_eq!(live.handle().listen_addrs().len(), 1);
    caller(|_| ())
        .start()
        .expect("the calling engine")
        .handle()
        .dial_blocking(addresses(&live).remove(0))
        .expect("it is served");
}
