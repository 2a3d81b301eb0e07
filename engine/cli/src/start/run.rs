//! A running node and the threads that carry its lines.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use tracing::warn;

use super::args::StartArgs;
use super::input::{End, Input};
use super::output::{self, Style};
use crate::console;
use crate::control::{Control, Lock};
use crate::failure::Failure;
use crate::metrics::{MetricsServer, Settings};
use crate::node::{Kept, Node};
use crate::reload::{Read, Reloader};
use crate::service;
use crate::signals::{self, Hangup, Stop};
use crate::{stderr, threads};

/// Time to send what was published and to say goodbye, when a signal or a fault ends the node.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);

/// The same when its input ends it: then everything is sent, however slow the peers are. One that
/// takes nothing at all is given up by its connection.
const DRAIN_WITHIN: Duration = Duration::MAX;

/// Time for whoever reads our standard output to take what was received before the end.
const OUTPUT_WITHIN: Duration = Duration::from_secs(2);

/// Longest time until a signal is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Runs the whole command.
pub(crate) fn run(args: &StartArgs) -> Result<(), Failure> {
    let (tell, hangups) = signals::hangups();
    let stop = signals::install(Hangup::Tells(tell))?;
    let loaded = args.config()?;
    let metrics = Settings::new(&args.metrics, &loaded.instrumentation)?;
    let key = args.home.load_node_key(&loaded.config)?;
    let lock = Lock::take(&args.home)?;
    let addr_book = args.home.addr_book(&loaded.config)?;
    let gossip = loaded.config.gossip;
    let kept = Kept {
        addr_book: &addr_book,
        numbers_dir: &args.home.data_dir(),
    };
    let node = Node::start(loaded.config.clone(), key, Some(kept), gossip)?;
    stop.begin();
    let load = args.clone();
    let read = Read {
        loaded,
        metrics: metrics.clone(),
    };
    let reloader = Reloader::new(&node, &args.home, read, move || {
        let loaded = load.config()?;
        let metrics = Settings::new(&load.metrics, &loaded.instrumentation)?;
        Ok(Read { loaded, metrics })
    });
    reloader.follow(hangups)?;
    let _control = lock.map(|lock| Control::serve(lock, &node, reloader));
    let _metrics = metrics
        .map(|settings| MetricsServer::serve(&settings, &node))
        .transpose()?;
    service::ready(&node);

    let (tell, told) = channel();
    say_address(args, node.public_address(), tell.clone())?;
    // Dropped by the thread that writes, when all is written.
    let (writing, written) = channel::<()>();
    if args.stdout {
        let style = Style::of_stdout(args.raw);
        let (subscription, tell) = (node.subscribe()?, tell.clone());
        threads::spawn("rw-stdout", move || {
            let _writing = writing;
            if let Err(failure) = output::write_lines(subscription, style) {
                // Nobody listens any more if the node is ending already.
                let _ = tell.send(End::Failed(failure));
            }
        })?;
    } else {
        drop(writing);
    }
    if !args.stdout && !node.config().engine.discovery.seed_mode {
        // Messages wait for a first subscriber, and with them the peers: one that leaves at once
        // says that nobody here wants them, so that the node goes on passing them on.
        drop(node.subscribe()?);
    }
    let mut input = match args.stdin {
        true => Some(Input::begin(args, &node, tell.clone())?),
        false => None,
    };
    let ended = wait_for_end(args, &node, &told, &stop, input.as_mut());
    service::stopping();
    let stopped = match &ended {
        Ok(End::InputEnded) => drain(node, &stop),
        _ => node.shutdown(SHUTDOWN_WITHIN),
    };
    // What was received is written although the node is gone; a reader that sleeps is not waited
    // for without end.
    let _ = written.recv_timeout(OUTPUT_WITHIN);
    ended.and(stopped)?;
    input.map_or(Ok(()), |input| judge(args, &input))
}

/// What becomes of lines that did not go out: a failure where the run was there for them, else a
/// warning.
fn judge(args: &StartArgs, input: &Input) -> Result<(), Failure> {
    let verdict = input.verdict();
    match &verdict {
        Err(Failure::Message(words)) if !args.exit_on_eof => {
            warn!("{words}");
            Ok(())
        }
        _ => verdict,
    }
}

/// Stops the node after everything was sent. A signal ends the wait.
fn drain(node: Node, stop: &Stop) -> Result<(), Failure> {
    let (tell, told) = channel();
    threads::spawn("rw-drain", move || {
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
fn say_address(args: &StartArgs, address: String, tell: Sender<End>) -> Result<(), Failure> {
    if args.stdout {
        stderr::say(&address);
        return Ok(());
    }
    // Whoever reads may not do so yet, and the node must hear signals meanwhile.
    threads::spawn("rw-address", move || {
        if let Err(failure) = console::print(&address) {
            // Nobody listens any more if the node is ending already.
            let _ = tell.send(End::Failed(failure));
        }
    })?;
    Ok(())
}

/// Waits for a signal, a failure, or the end of the input if that is the end of the node.
fn wait_for_end(
    args: &StartArgs,
    node: &Node,
    told: &Receiver<End>,
    stop: &Stop,
    mut input: Option<&mut Input>,
) -> Result<End, Failure> {
    while !stop.is_asked() {
        match told.recv_timeout(LOOK_INTERVAL) {
            Ok(End::InputEnded | End::Asked) | Err(RecvTimeoutError::Timeout) => {}
            Ok(End::Failed(failure)) => return Err(failure),
            // Never: this function's caller holds a sender.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK_INTERVAL),
        }
        if !node.is_running() {
            return Ok(End::Asked);
        }
        let has_ended = match &mut input {
            Some(input) => input.look(node)?,
            None => false,
        };
        if has_ended && args.exit_on_eof {
            return Ok(End::InputEnded);
        }
    }
    Ok(End::Asked)
}
