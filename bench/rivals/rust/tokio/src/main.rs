//! Plain tokio as a contender: what a careful application would write with Ringwire's codec and
//! nothing else of Ringwire. A task that writes and a task that reads for each connection, a
//! bounded queue between each of them and the application, writes gathered up to 64 KiB and sent
//! when the queue is empty.
//!
//! Settings `comet`: CometBFT's frames and packets of 1 KiB. Settings `wide`: records of 64 KiB
//! under AES-256-GCM.

mod assembly;
mod connection;
mod opening;
mod sealing;

use std::process::ExitCode;

use rival::{Failure, Pair, Work};

fn main() -> ExitCode {
    rival::main("tokio-bench", &["comet", "wide"], |work| {
        rival::block_on(async { rival::do_work(pairs(work).await?, work).await })
    })
}

async fn pairs(work: &Work) -> Result<Vec<Pair>, Failure> {
    let mut pairs = Vec::new();
    for _ in 0..work.receivers {
        pairs.push(connection::connect(work.settings == "wide", work.bytes).await?);
    }
    Ok(pairs)
}
