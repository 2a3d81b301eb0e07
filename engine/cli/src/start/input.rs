//! Standard input on its way to the node: read ahead, published once somebody is there to hear.
//!
//! ```text
//!   rw-stdin: reads lines ─▶ a few wait ─▶ rw-publish: waits for a peer, publishes ─▶ node
//!                                │                                                     │
//!                                └──── counts ────▶ Input, on the main thread ◀── looks ┘
//! ```
//!
//! Both threads may wait for ever, for a terminal or for peers, so nobody joins them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::error;

use super::args::StartArgs;
use super::line::{self, LineSealer, Read};
use super::unsent::Unsent;
use crate::failure::Failure;
use crate::node::{Node, Publisher};
use crate::table::number_of;
use crate::threads;

/// Why the node should end.
pub(super) enum End {
    /// A signal asked for it, or a shard failed; then the shutdown says which and why.
    Asked,
    /// Standard input has ended.
    InputEnded,
    /// A thread cannot go on.
    Failed(Failure),
}

/// Lines read ahead of the publisher; each has up to 1 MiB, or 128 KiB by feeds.
const READ_AHEAD: usize = 16;

/// Pause between two looks for somebody to hear a line.
const PEER_PAUSE: Duration = Duration::from_millis(10);

/// What becomes of standard input, as the main thread sees it.
pub(super) struct Input {
    counts: Arc<Counts>,
    line_bytes_max: usize,
    unsent: Unsent,
    /// How long to wait for a peer when the input can go no further without one; none waits for ever.
    peer_timeout: Option<Duration>,
    /// Since when it waits.
    waiting_since: Option<Instant>,
}

/// What the threads count.
#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    published: AtomicU64,
    too_long: AtomicU64,
    /// Whether the input can go no further until a line is published: it has ended, or what is read
    /// ahead is all that may be.
    is_waiting: AtomicBool,
    has_ended: AtomicBool,
    /// Peers that take part in gossip, as of the last look.
    peers: AtomicUsize,
}

impl Input {
    /// Begins to read and to publish. What goes wrong in between is told through `tell`.
    pub(super) fn begin(
        args: &StartArgs,
        node: &Node,
        tell: Sender<End>,
    ) -> Result<Input, Failure> {
        let counts = Arc::new(Counts::default());
        let line_bytes_max = node.config().gossip.line_bytes_max();
        let (lines, waiting) = sync_channel(READ_AHEAD);
        let (reading, telling) = (Arc::clone(&counts), tell.clone());
        threads::spawn("rw-stdin", move || {
            if let Err(error) = read_lines(&lines, &reading, line_bytes_max) {
                let failure = Failure::new(format!("cannot read standard input: {error}"));
                // Nobody listens any more if the node is ending already.
                let _ = telling.send(End::Failed(failure));
            }
        })?;
        let (publisher, publishing) = (node.publisher()?, Arc::clone(&counts));
        threads::spawn("rw-publish", move || {
            if let Err(failure) = publish_lines(&waiting, &publisher, &publishing) {
                let _ = tell.send(End::Failed(failure));
            }
        })?;
        Ok(Input {
            counts,
            line_bytes_max,
            unsent: Unsent::default(),
            peer_timeout: args.exit_on_eof.then_some(args.peer_timeout),
            waiting_since: None,
        })
    }

    /// Looks how far the lines are. True once the input has ended and nothing of it waits any more.
    ///
    /// # Errors
    /// Lines wait for a first peer for longer than they may.
    pub(super) fn look(&mut self, node: &Node) -> Result<bool, Failure> {
        let published = self.counts.published.load(Ordering::Acquire);
        let waiting = self.counts.read.load(Ordering::Acquire) - published;
        // A node whose lines have all been sent is left to sleep.
        if waiting > 0 || !self.unsent.is_settled(published) {
            // None while the node ends: then there is nothing to be seen.
            if let Some(backlog) = node.backlog() {
                self.counts.peers.store(backlog.peers, Ordering::Release);
                self.unsent.handle_look(published, backlog);
                self.check_patience(waiting, backlog.peers)?;
            }
        }
        let has_ended = self.counts.has_ended.load(Ordering::Acquire);
        Ok(has_ended && waiting == 0 && self.unsent.is_settled(published))
    }

    fn check_patience(&mut self, waiting: u64, peers: usize) -> Result<(), Failure> {
        let is_stuck = waiting > 0 && peers == 0 && self.counts.is_waiting.load(Ordering::Acquire);
        if !is_stuck {
            self.waiting_since = None;
            return Ok(());
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        match self.peer_timeout {
            Some(timeout) if since.elapsed() > timeout => Err(self.lonely(waiting, timeout)),
            _ => Ok(()),
        }
    }

    fn lonely(&self, waiting: u64, timeout: Duration) -> Failure {
        let lines = number_of(waiting as usize, "line");
        let rest = match self.counts.has_ended.load(Ordering::Acquire) {
            true => "",
            false => ", nor was what follows them",
        };
        let mut faults = vec![format!(
            "no peer within {timeout:?}: {lines} of standard input not sent{rest}; name a peer with \
             --persistent-peers or --seeds, or wait longer with --peer-timeout"
        )];
        faults.extend(self.faults());
        Failure::new(faults.join("; "))
    }

    /// What is to be said of lines that did not go out, once the node has ended.
    ///
    /// # Errors
    /// A sentence about them.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let published = self.counts.published.load(Ordering::Acquire);
        let unsent = self.counts.read.load(Ordering::Acquire) - published;
        let mut faults = vec![];
        if unsent > 0 {
            let lines = number_of(unsent as usize, "line");
            faults.push(format!("{lines} of standard input not sent"));
        }
        faults.extend(self.faults());
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(faults.join("; "))),
        }
    }

    /// What is to be said of lines that were taken.
    fn faults(&self) -> impl Iterator<Item = String> {
        let too_long = format!("skipped: longer than {} bytes", self.line_bytes_max);
        let lost = "may be lost: the last peer left before they were surely sent";
        let faults = [
            (self.unsent.lost(), String::from(lost)),
            (self.counts.too_long.load(Ordering::Acquire), too_long),
        ];
        let faults = faults.into_iter().filter(|(lines, _)| *lines > 0);
        faults.map(|(lines, words)| format!("{} {words}", number_of(lines as usize, "line")))
    }
}

/// Reads line after line to the end of standard input.
fn read_lines(
    lines: &SyncSender<Vec<u8>>,
    counts: &Counts,
    line_bytes_max: usize,
) -> io::Result<()> {
    let (mut input, mut number) = (io::stdin().lock(), 0_u64);
    loop {
        let mut line = Vec::new();
        number += 1;
        match line::read(&mut input, &mut line, line_bytes_max)? {
            Read::End => break,
            Read::TooLong => {
                counts.too_long.fetch_add(1, Ordering::AcqRel);
                error!("line {number} of standard input is skipped: over {line_bytes_max} bytes");
            }
            Read::Line => {
                counts.read.fetch_add(1, Ordering::AcqRel);
                let sent = lines.try_send(line).or_else(|refused| match refused {
                    TrySendError::Disconnected(_) => Err(()),
                    TrySendError::Full(line) => {
                        counts.is_waiting.store(true, Ordering::Release);
                        let sent = lines.send(line).map_err(drop);
                        counts.is_waiting.store(false, Ordering::Release);
                        sent
                    }
                });
                if sent.is_err() {
                    // The publisher failed, and has said so.
                    return Ok(());
                }
            }
        }
    }
    counts.has_ended.store(true, Ordering::Release);
    counts.is_waiting.store(true, Ordering::Release);
    Ok(())
}

/// Publishes line after line, each when there is a peer to hear it.
fn publish_lines(
    lines: &Receiver<Vec<u8>>,
    publisher: &Publisher,
    counts: &Counts,
) -> Result<(), Failure> {
    let mut mark = [0; 8];
    getrandom::fill(&mut mark).map_err(|error| Failure::new(format!("no entropy: {error}")))?;
    let mut sealer = LineSealer::new(mark);
    for line in lines {
        while !publisher.has_peer()? || counts.peers.load(Ordering::Acquire) == 0 {
            thread::sleep(PEER_PAUSE);
        }
        publisher.publish(sealer.seal(&line))?;
        counts.published.fetch_add(1, Ordering::AcqRel);
    }
    Ok(())
}
