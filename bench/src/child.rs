//! What must be another process: a node whose memory and CPU are measured alone, and the crowd of
//! peers that loads it.
//!
//! The bench starts itself again with hidden orders, and talks to the child by lines: a request in,
//! a line of JSON out. A child ends with its standard input, so none outlives the bench.

mod node;
mod serve_crowd;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use ringwire::peer::Framing;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::Failure;

pub use node::NodeSample;

/// The hidden option that carries a child's orders.
pub const ORDERS: &str = "--child";

/// What a child is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Orders {
    /// A node, alone in its process.
    Node {
        /// Whether it offers wide records.
        wide: bool,
        /// Its shards.
        shards: u16,
        /// CPUs it may use; empty for all.
        cpus: Vec<usize>,
        /// Whether its bytes are moved by readiness.
        by_readiness: bool,
    },
    /// Peers of a node.
    Crowd {
        /// Whether they offer wide records.
        wide: bool,
        /// Where the node listens.
        address: SocketAddr,
        /// CPUs they may use; empty for all.
        cpus: Vec<usize>,
        /// Whether they run only where nothing else wants to.
        humble: bool,
    },
}

/// A request to a child, one line of JSON. Each is answered by one line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Request {
    /// To a node: how it is. Answered by a [`NodeSample`].
    Sample,
    /// To a crowd: connect so many more peers. Answered by the seconds it took.
    Connect(usize),
    /// To a crowd: each peer sends a message of so many bytes and waits for it to come back.
    /// Answered by seconds.
    Exchange(usize),
    /// To a crowd: all peers send messages of `bytes` as fast as they can for `secs`. Answered by
    /// the crowd's own CPU seconds.
    Flood {
        /// Bytes of a message.
        bytes: usize,
        /// How long.
        secs: f64,
    },
}

/// A child that runs.
pub struct Child {
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Starts this program again with orders.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(orders: &Orders) -> Result<Child, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([ORDERS, &serde_json::to_string(orders)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().expect("it was asked for");
        let output = process.stdout.take().expect("it was asked for");
        Ok(Child {
            process,
            input,
            output: BufReader::new(output),
        })
    }

    /// Sends a request without waiting for its answer.
    ///
    /// # Errors
    /// When the child is gone.
    pub fn tell(&mut self, request: Request) -> Result<(), Failure> {
        writeln!(self.input, "{}", serde_json::to_string(&request)?)?;
        Ok(())
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    /// When the child is gone, or says why it cannot.
    pub fn answer<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("a child process ended early; what it said is above".into());
        }
        let answer: Result<T, String> = serde_json::from_str(&line)?;
        Ok(answer?)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// When the child is gone, or says why it cannot.
    pub fn ask<T: DeserializeOwned>(&mut self, request: Request) -> Result<T, Failure> {
        self.tell(request)?;
        self.answer()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end and its status is collected.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The whole life of a child.
///
/// # Errors
/// When its orders make no sense or it cannot carry them out.
pub fn live(orders: &str) -> Result<(), Failure> {
    match serde_json::from_str(orders)? {
        Orders::Node {
            wide,
            shards,
            cpus,
            by_readiness,
        } => node::serve(wide, shards, &cpus, by_readiness),
        Orders::Crowd {
            wide,
            address,
            cpus,
            humble,
        } => serve_crowd::serve(wide, address, &cpus, humble),
    }
}

/// Answers each line of standard input until it ends.
fn serve<T: Serialize>(
    mut answer: impl FnMut(Request) -> Result<T, Failure>,
) -> Result<(), Failure> {
    for line in std::io::stdin().lines() {
        let answer = answer(serde_json::from_str(&line?)?);
        say(&answer.map_err(|error| error.to_string()))?;
    }
    Ok(())
}

fn framing(wide: bool) -> Framing {
    if wide { Framing::Wide } else { Framing::Comet }
}

fn say<T: Serialize>(answer: &Result<T, String>) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(answer)?)?;
    Ok(output.flush()?)
}
