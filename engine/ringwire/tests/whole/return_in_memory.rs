//! A node that leaves a network in memory and comes back.

use std::time::Duration;

use ringwire::testing::Network;
use ringwire::{Config, Engine, NodeKey};

use crate::common::{channel, wait_until};

const WITHIN: Duration = Duration::from_secs(30);

fn start(network: &Network, seed: u8, change: impl FnOnce(&mut Config)) -> Engine {
    let mut config = Config::default();
    change(&mut config);
    let builder = network
        .builder(config)
        .node_key(NodeKey::from_seed([seed; 32]))
        .shards(1)
        .channel(channel());
    builder
        .start()
        .expect("it takes nothing of the system but threads")
}

#[test]
fn a_node_that_comes_back_at_its_address_is_found_again_and_two_cannot_have_it() {
    let network = Network::new();
    let first = start(&network, 1, |_| ());
    let (at, address) = (
        first.handle().listen_addr(),
        network.address_of(first.handle()),
    );
    let other = start(&network, 2, |config| {
        config.persistent_peers = vec![address];
    });
    wait_until("they are connected", || first.handle().peers().len() == 1);
    let taken = network.builder_at(at, Config::default()).start();
    let error = taken.expect_err("it is taken").to_string();
    assert!(error.contains("another engine of this network"), "{error}");

    first.handle().shutdown_blocking(WITHIN).expect("it ends");
    wait_until("the other one knows", || other.handle().peers().is_empty());
    let back = network
        .builder_at(at, Config::default())
        .node_key(NodeKey::from_seed([1; 32]))
        .channel(channel())
        .start()
        .expect("the address is free");
    wait_until("they are connected again", || {
        back.handle().peers().len() == 1
    });

    let elsewhere = start(&Network::new(), 3, |_| ());
    let foreign = network.address_of(back.handle());
    assert!(
        elsewhere.handle().dial_blocking(foreign).is_err(),
        "networks are apart"
    );
}
