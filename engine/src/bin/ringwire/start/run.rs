//! A running node and the threads that carry its lines.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::args::StartArgs;
use super::line::{self, LineSealer};
use crate::console;
use crate::control::{Control, Lock};
use crate::failure::Failure;
use crate::node::{Node, Publisher, Subscription};
use crate::signals::{self, Stop};

/// Time to send what was published and to say goodbye, when a signal or a fault ends the node.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);

/// The same when its input ends it: then everything is sent, however slow the peers are. One that
/// takes nothing at all is given up by its connection.
const DRAIN_WITHIN: Duration = Duration::MAX;

/// Time for whoever reads our standard output to take what was received before the end.
const OUTPUT_WITHIN: Duration = Duration::from_secs(2);

/// Longest time until a signal is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Why the node should end.
enum End {
    /// A signal asked for it, or a shard failed; then the shutdown says which and why.
    Asked,
    /// Standard input has ended.
    InputEnded,
    /// A thread cannot go on.
    Failed(Failure),
}

/// Runs the whole command.
pub(crate) fn run(args: &StartArgs) -> Result<(), Failure> {
    let stop = signals::install()?;
    let config = args.config()?;
    let key = args.home.load_node_key(&config)?;
    let lock = Lock::take(&args.home)?;
    let addr_book = args.home.addr_book(&config)?;
    let node = Node::start(config, key, Some(&addr_book))?;
    let _control = lock.map(|lock| Control::serve(lock, &node));
    say_address(args, &node)?;

    let (tell, told) = channel();
    // Dropped by the thread that writes, when all is written.
    let (writing, written) = channel::<()>();
    if args.stdout {
        let (subscription, tell) = (node.subscribe()?, tell.clone());
        spawn("rw-stdout", move || {
            let _writing = writing;
            if let Err(failure) = write_lines(subscription) {
                // Nobody listens any more if the node is ending already.
                let _ = tell.send(End::Failed(failure));
            }
        })?;
    } else {
        drop(writing);
    }
    if !args.stdout && !node.config().seed_mode {
        // Messages wait for a first subscriber, and with them the peers: one that leaves at once
        // says that nobody here wants them, so that the node goes on passing them on.
        drop(node.subscribe()?);
    }
    if args.stdin {
        let (publisher, stop, tell) = (node.publisher(), stop.clone(), tell.clone());
        spawn("rw-stdin", move || {
            let end = read_lines(&publisher, &stop).map_or_else(End::Failed, |()| End::InputEnded);
            let _ = tell.send(end);
        })?;
    }
    let ended = wait_for_end(args, &node, &told, &stop);
    let stopped = match &ended {
        Ok(End::InputEnded) => drain(node, &stop),
        _ => node.shutdown(SHUTDOWN_WITHIN),
    };
    // What was received is written although the node is gone; a reader that sleeps is not waited
    // for without end.
    let _ = written.recv_timeout(OUTPUT_WITHIN);
    ended.and(stopped)
}

/// Stops the node after everything was sent. A signal ends the wait.
fn drain(node: Node, stop: &Stop) -> Result<(), Failure> {
    let (tell, told) = channel();
    spawn("rw-drain", move || {
        // Nobody listens any more after a signal.
        let _ = tell.send(node.shutdown(DRAIN_WITHIN));
    })?;
    loop {
        match told.recv_timeout(LOOK_INTERVAL) {
            Ok(stopped) => return stopped,
            Err(RecvTimeoutError::Timeout) if !stop.is_asked() => {}
            Err(_) => return Err(Failure::new("ended before everything was sent")),
        }
    }
}

/// Says where other nodes find this one: on standard output, unless messages go there.
fn say_address(args: &StartArgs, node: &Node) -> Result<(), Failure> {
    let address = node.public_address();
    if args.stdout {
        eprintln!("{address}");
        return Ok(());
    }
    console::print(&address)
}

/// Waits for a signal, a failure, or the end of the input if that is the end of the node.
fn wait_for_end(
    args: &StartArgs,
    node: &Node,
    told: &Receiver<End>,
    stop: &Stop,
) -> Result<End, Failure> {
    while !stop.is_asked() {
        match told.recv_timeout(LOOK_INTERVAL) {
            Ok(End::InputEnded) if args.exit_on_eof => return Ok(End::InputEnded),
            Ok(End::InputEnded | End::Asked) | Err(RecvTimeoutError::Timeout) => {}
            Ok(End::Failed(failure)) => return Err(failure),
            // Never: this function's caller holds a sender.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK_INTERVAL),
        }
        if !node.is_running() {
            return Ok(End::Asked);
        }
    }
    Ok(End::Asked)
}

/// Publishes line after line, from the moment when there is a peer to hear them.
fn read_lines(publisher: &Publisher, stop: &Stop) -> Result<(), Failure> {
    let mut mark = [0; 8];
    getrandom::fill(&mut mark).map_err(|error| Failure::new(format!("no entropy: {error}")))?;
    let mut sealer = LineSealer::new(mark);
    while !stop.is_asked() && !publisher.has_peer(LOOK_INTERVAL)? {}
    let (mut input, mut line) = (io::stdin().lock(), Vec::new());
    let cannot_read = |error| Failure::new(format!("cannot read standard input: {error}"));
    while line::read(&mut input, &mut line).map_err(cannot_read)? {
        publisher.publish(sealer.seal(&line))?;
    }
    Ok(())
}

/// Prints line after line until the node ends. Lines that come at once are written at once.
fn write_lines(mut subscription: Subscription) -> Result<(), Failure> {
    let mut output = io::BufWriter::new(io::stdout());
    while let Some(message) = subscription.next() {
        let mut waiting = Some(message);
        while let Some(message) = waiting {
            if let Some(line) = line::open(&message) {
                write_line(&mut output, line).map_err(console::stdout_failure)?;
            }
            waiting = subscription.try_next();
        }
        output.flush().map_err(console::stdout_failure)?;
    }
    Ok(())
}

fn write_line(output: &mut dyn Write, line: &[u8]) -> io::Result<()> {
    output.write_all(line)?;
    output.write_all(b"\n")
}

/// A thread that nobody joins: it may wait for a terminal for ever, and ends with the process.
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(String::from(name))
        .spawn(body)
        .map(drop)
}
