//! Publishes the input at the nodes in turn, never more than the window ahead of the slowest node.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::args::LocalnetArgs;
use super::ledger::{Holding, Ledger};
use super::progress::Progress;
use super::report::messages;
use super::source::Source;
use super::stamp::Stamp;
use super::tally::Tally;
use crate::failure::Failure;
use crate::node::{self, Node};
use crate::signals::Stop;

/// Contents read ahead of the publisher.
const READ_AHEAD: usize = 64;

/// Pause of the publisher while the window is full; far below any delay worth reporting.
const WINDOW_PAUSE: Duration = Duration::from_micros(200);

/// Longest wait for input between two looks at the rest of the world.
const INPUT_PAUSE: Duration = Duration::from_millis(50);

/// Pause between two updates of the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Contents that a thread of its own reads, so that a silent terminal cannot hold up the end.
pub(super) struct Input {
    contents: Receiver<io::Result<Bytes>>,
    total: Option<u64>,
}

impl Input {
    /// Starts reading `source`, which holds `total` messages if that is known.
    pub(super) fn read(mut source: Source, total: Option<u64>) -> io::Result<Input> {
        let (sender, contents) = sync_channel(READ_AHEAD);
        thread::Builder::new()
            .name(String::from("rw-input"))
            .spawn(move || {
                // The end of the input is told by dropping the sender.
                while let Some(content) = source.next().transpose() {
                    let failed = content.is_err();
                    if sender.send(content).is_err() || failed {
                        return;
                    }
                }
            })?;
        Ok(Input { contents, total })
    }
}

/// The one thread that publishes.
pub(super) struct Publisher<'a> {
    nodes: Vec<node::Publisher>,
    tally: &'a Tally,
    stop: &'a Stop,
    window: u64,
    timeout: Duration,
    sent: Ledger,
}

impl<'a> Publisher<'a> {
    /// A publisher that has sent nothing yet.
    pub(super) fn new(
        args: &LocalnetArgs,
        nodes: &[Node],
        tally: &'a Tally,
        stop: &'a Stop,
    ) -> Result<Self, Failure> {
        let sent = Ledger::default();
        let nodes = nodes.iter().map(Node::publisher);
        Ok(Publisher {
            nodes: nodes.collect::<Result<_, _>>()?,
            tally,
            stop,
            window: args.window,
            timeout: args.timeout,
            sent,
        })
    }

    /// Publishes all of the input and waits until every node holds it. Returns how long it took.
    pub(super) fn publish_all(
        &mut self,
        input: Input,
        progress: &mut Progress,
    ) -> Result<Duration, Failure> {
        progress.begin("messages", input.total);
        let mut watch = Watch {
            began: Instant::now(),
            shown: Instant::now(),
            progress,
        };
        loop {
            self.look(&mut watch)?;
            match input.contents.recv_timeout(INPUT_PAUSE) {
                Ok(content) => {
                    let content = content
                        .map_err(|error| Failure::new(format!("cannot read the input: {error}")))?;
                    self.publish(content, &mut watch)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.wait_until_held(self.sent.messages(), &mut watch)?;
        Ok(watch.began.elapsed())
    }

    /// What was sent so far.
    pub(super) fn sent(&self) -> Holding {
        self.sent.holding()
    }

    fn publish(&mut self, content: Bytes, watch: &mut Watch<'_>) -> Result<(), Failure> {
        let sequence = self.sent.messages();
        self.wait_until_held((sequence + 1).saturating_sub(self.window), watch)?;
        // The remainder is a place in a slice.
        let node = (sequence % self.nodes.len() as u64) as usize;
        let message = Stamp {
            sequence,
            sent_nanos: self.tally.nanos(),
        }
        .seal(&content);
        self.sent.enter(sequence, content.clone())?;
        self.tally.publish(node, sequence, content);
        self.nodes[node].publish(message)
    }

    /// Waits until every node holds `messages` messages.
    fn wait_until_held(&self, messages: u64, watch: &mut Watch<'_>) -> Result<(), Failure> {
        let mut moved = (Instant::now(), self.tally.held());
        while self.tally.held_by_all() < messages {
            self.look(watch)?;
            let held = self.tally.held();
            if held != moved.1 {
                moved = (Instant::now(), held);
            } else if moved.0.elapsed() > self.timeout {
                return Err(self.stalled());
            }
            thread::sleep(WINDOW_PAUSE);
        }
        Ok(())
    }

    /// Looks at the rest of the world: a signal, a fault, the progress.
    fn look(&self, watch: &mut Watch<'_>) -> Result<(), Failure> {
        if self.stop.is_asked() {
            return Err(Failure::new("interrupted"));
        }
        if let Some(fault) = self.tally.fault() {
            return Err(Failure::new(fault));
        }
        if watch.shown.elapsed() >= PROGRESS_INTERVAL {
            watch.shown = Instant::now();
            let bytes = self.sent.content_bytes() as f64;
            let rate = bytes / watch.began.elapsed().as_secs_f64() / 1e6;
            watch
                .progress
                .update(self.tally.held_by_all(), || format!("{rate:.1} MB/s"));
        }
        Ok(())
    }

    fn stalled(&self) -> Failure {
        let (sent, timeout) = (self.sent.messages(), self.timeout);
        let held = (0..self.nodes.len()).map(|node| self.tally.receipt(node).holding.messages);
        let slowest = held.enumerate().min_by_key(|(_, held)| *held);
        let (node, held) = slowest.unwrap_or_default();
        Failure::new(format!(
            "nothing moved for {timeout:?}: node {node} holds {held} of {} sent",
            messages(sent)
        ))
    }
}

/// When the run began, and what it shows.
struct Watch<'p> {
    began: Instant,
    shown: Instant,
    progress: &'p mut Progress,
}
