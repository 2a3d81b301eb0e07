//! rust-libp2p as a contender: TCP, Noise and Yamux as they come, and a raw stream in each
//! direction of a connection, on which a message stands behind its length. With settings
//! `gossipsub`, its gossip over the same.

mod gossip;
mod node;
mod stream;

use std::process::ExitCode;

use rival::{Failure, Pair, Task, Work};

use crate::node::Node;

fn main() -> ExitCode {
    rival::main("libp2p-bench", &["default", "gossipsub"], |work| {
        rival::block_on(async {
            match (work.task, work.settings.as_str()) {
                (Task::Gossip, _) => gossip::run(work).await,
                (_, "gossipsub") => Err("gossipsub gossips and does nothing else".into()),
                _ => rival::do_work(pairs(work).await?, work).await,
            }
        })
    })
}

async fn pairs(work: &Work) -> Result<Vec<Pair>, Failure> {
    let mut hub = Node::start().await?;
    let mut pairs = Vec::new();
    for _ in 0..work.receivers {
        let mut leaf = Node::start().await?;
        // A stream for each direction, as one for both would be shared under a lock.
        let (to_leaf, at_leaf) = hub.open(&mut leaf).await?;
        let (to_hub, at_hub) = leaf.open(&mut hub).await?;
        let serve = |outbound, inbound| {
            let (link, far) = rival::pair(work.bytes);
            tokio::spawn(stream::write(outbound, far.outbound));
            tokio::spawn(stream::read(inbound, work.bytes, far.inbound));
            link
        };
        pairs.push(Pair {
            hub: serve(to_leaf, at_hub),
            leaf: serve(to_hub, at_leaf),
        });
    }
    Ok(pairs)
}
