//! commonware-p2p as a contender: its authenticated network of peers with known addresses
//! (`authenticated::lookup`) on its own tokio runtime.
//!
//! It never makes a sender wait: what finds no room is dropped, at either end. So that nothing is
//! lost, the sender keeps a window of messages that no receiver has acknowledged yet; see
//! [`rival::window`].

mod node;
mod spread;

use std::process::ExitCode;
use std::time::Instant;

use bytes::Bytes;
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::tokio::{Config, Context, Runner};
use commonware_runtime::{IoBuf, Runner as _};
use rival::{Failure, Outcome, PATIENCE, Task, Work};

use crate::node::{Node, connect};

fn main() -> ExitCode {
    rival::main("commonware-bench", &["default"], |work| {
        // A thread for each CPU, as the others have; it would take two.
        let threads = std::thread::available_parallelism()?.get();
        let config = Config::default().with_worker_threads(threads);
        let storage = config.storage_directory().clone();
        let outcome = Runner::new(config).start(|context| async move {
            let timed = tokio::time::timeout(PATIENCE, run(context, work.clone())).await;
            timed.map_err(|_| format!("the work took over {PATIENCE:?}"))?
        });
        // The runtime made it for files, of which there is none. It may not have come to that.
        let _ = std::fs::remove_dir_all(storage);
        outcome
    })
}

async fn run(context: Context, work: Work) -> Result<Outcome, Failure> {
    let (hub, leaves) = connect(&context, &work).await?;
    match work.task {
        Task::Spread | Task::Timeframe => spread::spread(hub, leaves, &work).await,
        Task::Gossip => Err("links do not gossip".into()),
        Task::PingPong => {
            let leaf = leaves.into_iter().next().ok_or("there is no receiver")?;
            ping_pong(hub, leaf, &work).await
        }
    }
}

async fn ping_pong(mut hub: Node, leaf: Node, work: &Work) -> Result<Outcome, Failure> {
    let to = leaf.key.clone();
    tokio::spawn(echo(leaf));
    let message = IoBuf::from(Bytes::from(vec![0x5a; work.bytes]));
    let mut histogram = rival::histogram();
    for _ in 0..work.count {
        let sent_at = Instant::now();
        let taken = hub
            .data
            .0
            .send(Recipients::One(to.clone()), message.clone(), false);
        if taken.is_empty() {
            return Err("a ping found no room".into());
        }
        let (_, back) = hub.data.1.recv().await?;
        histogram.record(sent_at.elapsed().as_nanos() as u64)?;
        spread::check(&back, work.bytes)?;
    }
    Ok(Outcome::timed(&histogram))
}

async fn echo(mut leaf: Node) {
    // A ping that does not come back ends the run by its patience.
    while let Ok((from, message)) = leaf.data.1.recv().await {
        leaf.data.0.send(Recipients::One(from), message, false);
    }
}
