//! What reactors have besides messages: state of peers, timers that can be taken back, questions to
//! each other and from the application.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::error::CloseReason;
use ringwire_core::peer::{PeerInfo, PeerKey, ShardId};
use ringwire_core::reactor::{
    Answers, AskError, ChannelDescriptor, Context, Envelope, Reactor, ReactorError, TimerKey,
};
use ringwire_sim::{Scenario, World};

use crate::support::channel;

const COUNTED: ChannelId = ChannelId(0x51);
const WATCHED: ChannelId = ChannelId(0x52);
const SOON: Duration = Duration::from_secs(2);

/// Lines that reactors write down, each with its node.
type Log = Rc<RefCell<Vec<(u32, String)>>>;

/// Counts the messages of each peer.
struct Counter {
    node: u32,
    log: Log,
    armed: Option<TimerKey>,
}

/// How often a peer was heard.
#[derive(Default)]
struct Heard(u32);

enum Alarm {
    Early,
    Late,
}

impl Reactor for Counter {
    type Peer = Heard;
    type Note = ();
    type Timer = Alarm;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel(COUNTED, 1)]
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        self.armed = Some(cx.set_timer(Duration::from_secs(1), Alarm::Early));
        cx.set_timer(Duration::from_secs(2), Alarm::Late);
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        heard: &mut Heard,
    ) -> Result<(), ReactorError> {
        heard.0 += 1;
        // The state at hand is not among the others'.
        assert!(cx.state(envelope.from.key).is_none());
        assert!(envelope.message != "boom", "asked to");
        Ok(())
    }

    fn handle_timeout(&mut self, _: &mut Context<'_, Self>, alarm: Alarm) {
        let line = match alarm {
            Alarm::Early => "early",
            Alarm::Late => "late",
        };
        self.log.borrow_mut().push((self.node, String::from(line)));
    }

    fn remove_peer(
        &mut self,
        _: &mut Context<'_, Self>,
        _: &PeerInfo,
        heard: Heard,
        _: &CloseReason,
    ) {
        let line = format!("heard {}", heard.0);
        self.log.borrow_mut().push((self.node, line));
    }
}

/// How many peers, and how many messages of them?
#[derive(Clone)]
struct Sum;

impl Answers<Sum> for Counter {
    type Answer = (usize, u32);

    fn answer(&mut self, cx: &mut Context<'_, Self>, _: Sum) -> (usize, u32) {
        let heard = cx.states().map(|(_, heard)| heard.0);
        (cx.peers().len(), heard.sum())
    }
}

/// Take back the early alarm.
struct Disarm;

impl Answers<Disarm> for Counter {
    type Answer = [bool; 2];

    fn answer(&mut self, cx: &mut Context<'_, Self>, _: Disarm) -> [bool; 2] {
        let key = self.armed.expect("it was set at the start");
        // The second time there is nothing left to take back.
        [(); 2].map(|()| cx.cancel_timer(key).is_some())
    }
}

/// Whom does the reactor ask about itself, and what is it told?
struct AskYourself;

impl Answers<AskYourself> for Counter {
    type Answer = Result<(usize, u32), AskError>;

    fn answer(&mut self, cx: &mut Context<'_, Self>, _: AskYourself) -> Self::Answer {
        cx.ask::<Counter, Sum>(Sum)
    }
}

struct Fail;

impl Answers<Fail> for Counter {
    type Answer = ();

    fn answer(&mut self, _: &mut Context<'_, Self>, _: Fail) {
        panic!("asked to");
    }
}

/// Looks at what the counter knows.
struct Watcher;

impl Reactor for Watcher {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel(WATCHED, 1)]
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        (): &mut (),
    ) -> Result<(), ReactorError> {
        Ok(())
    }
}

/// What does the counter say, by its answer and by its states of the peers?
struct Look;

impl Answers<Look> for Watcher {
    type Answer = (Result<(usize, u32), AskError>, Vec<u32>);

    fn answer(&mut self, cx: &mut Context<'_, Self>, _: Look) -> Self::Answer {
        let said = cx.ask::<Counter, Sum>(Sum);
        let peers: Vec<PeerKey> = cx.peers();
        let heard = |key: PeerKey| cx.state_of::<Counter>(key).map(|heard| heard.0);
        (said, peers.into_iter().filter_map(heard).collect())
    }
}

/// The watcher asks the counter, which asks the watcher.
struct AskBack;

impl Answers<AskBack> for Watcher {
    type Answer = Result<(), AskError>;

    fn answer(&mut self, _: &mut Context<'_, Self>, _: AskBack) -> Self::Answer {
        Ok(())
    }
}

/// Two nodes of one shard that are connected, each with a counter and a watcher.
fn pair(seed: u64, log: &Log) -> World {
    let log = Rc::clone(log);
    let mut world = Scenario::new(seed)
        .nodes(2)
        .reactor("counter", move |node, _| Counter {
            node,
            log: Rc::clone(&log),
            armed: None,
        })
        .reactor("watcher", |_, _| Watcher)
        .edge(1, 0)
        .build();
    assert!(world.run_until(SOON, |world| world.are_connected(0, 1)));
    world
}

const HERE: ShardId = ShardId::COORDINATOR;

#[test]
fn the_state_of_a_peer_is_handed_in_with_each_message_and_comes_back_at_its_end() {
    let log = Log::default();
    let mut world = pair(1, &log);
    for _ in 0..3 {
        world.publish_bytes(1, COUNTED, Bytes::from_static(b"one more"));
    }
    world.run_for(SOON);
    assert_eq!(world.ask::<Counter, Sum>(0, HERE, Sum), Ok((1, 3)));
    world.reset_between(0, 1);
    world.run_for(SOON);
    assert!(log.borrow().contains(&(0, String::from("heard 3"))));
    // The next life of the peer begins anew.
    let (_, heard) = world.ask::<Counter, Sum>(0, HERE, Sum).expect("it lives");
    assert_eq!(heard, 0);
}

#[test]
fn a_panic_over_a_message_keeps_the_state_for_the_peers_end() {
    let log = Log::default();
    let mut world = pair(2, &log);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    world.publish_bytes(1, COUNTED, Bytes::from_static(b"well"));
    world.publish_bytes(1, COUNTED, Bytes::from_static(b"boom"));
    world.run_for(SOON);
    std::panic::set_hook(hook);
    assert!(log.borrow().contains(&(0, String::from("heard 2"))));
}

#[test]
fn a_timer_that_was_taken_back_is_never_due_and_leaves_nothing_behind() {
    let log = Log::default();
    let mut world = pair(3, &log);
    let timers = |world: &World| {
        let sizes = world.switch(0, HERE).table_sizes();
        let timers = sizes.into_iter().find(|(name, _)| *name == "timers");
        timers.expect("it is a table").1
    };
    let before = timers(&world);
    let answer = world.ask::<Counter, Disarm>(0, HERE, Disarm);
    assert_eq!(answer, Ok([true, false]));
    assert_eq!(timers(&world), before - 1);
    world.run_for(Duration::from_secs(3));
    let log = log.borrow();
    let of = |node| {
        log.iter()
            .filter(move |line| line.0 == node)
            .map(|line| &*line.1)
    };
    assert_eq!(of(0).collect::<Vec<_>>(), ["late"]);
    assert_eq!(of(1).collect::<Vec<_>>(), ["early", "late"]);
}

#[test]
fn a_reactor_asks_another_and_reads_what_that_knows_of_peers() {
    let mut world = pair(4, &Log::default());
    world.publish_bytes(1, COUNTED, Bytes::from_static(b"one"));
    world.run_for(SOON);
    let looked = world.ask::<Watcher, Look>(0, HERE, Look);
    assert_eq!(looked, Ok((Ok((1, 1)), vec![1])));
}

#[test]
fn who_asks_itself_or_nobody_is_told_so_and_hangs_nobody() {
    let mut world = pair(5, &Log::default());
    let asked = world.ask::<Counter, AskYourself>(0, HERE, AskYourself);
    assert_eq!(asked, Ok(Err(AskError::Busy)));
    assert_eq!(world.ask::<Watcher, AskBack>(0, HERE, AskBack), Ok(Ok(())));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let failed = world.ask::<Counter, Fail>(0, HERE, Fail);
    std::panic::set_hook(hook);
    assert_eq!(failed, Err(AskError::Panicked));
    // It lives, and answers others.
    assert!(world.ask::<Counter, Sum>(0, HERE, Sum).is_ok());
}
