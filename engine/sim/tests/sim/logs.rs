//! What an operator can read: of whom a log line is, and which links are told of.

#![allow(
    clippy::disallowed_types,
    reason = "who hears log lines must be shared between threads, though here is only one"
)]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ringwire_core::peer::{PeerInfo, ShardId};
use ringwire_core::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire_core::switch::{Command, Event, NamedAs};
use ringwire_sim::{Scenario, World};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Metadata, Subscriber};

use crate::support::{CHAT, SOON, channel, connect_all};

/// Keeps, of each log line, the fields of the span that it stands in.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    spans: Vec<String>,
    entered: Vec<Id>,
    lines: Vec<String>,
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Heard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut words = Words(span.metadata().name().to_owned());
        span.record(&mut words);
        let mut inner = self.0.lock().expect("no panic holds it");
        inner.spans.push(words.0);
        Id::from_u64(inner.spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if event.metadata().target() == module_path!() {
            let mut inner = self.0.lock().expect("no panic holds it");
            let last = inner.entered.last().map(|id| id.into_u64() as usize - 1);
            let line = last.map_or_else(String::new, |index| inner.spans[index].clone());
            inner.lines.push(line);
        }
    }

    fn enter(&self, span: &Id) {
        let mut inner = self.0.lock().expect("no panic holds it");
        inner.entered.push(span.clone());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().expect("no panic holds it").entered.pop();
    }
}

/// While this lives, `tracing` asks every subscriber whether it wants a line. With one alone it asks
/// the thread that comes first by a line, for good, and the other tests' threads have none.
fn second_dispatch() -> Dispatch {
    Dispatch::new(NoSubscriber::default())
}

/// A reactor that logs what it is told of its peers.
struct Talker;

impl Reactor for Talker {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel(CHAT, 1)]
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, _: &mut ()) {
        let greeted = cx.try_send(peer.key, CHAT, Bytes::from_static(b"hello"));
        greeted.expect("the queue is empty");
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        tracing::info!("heard a word");
        Ok(())
    }
}

#[test]
fn a_reactors_line_about_a_peer_says_whose_it_is() {
    let heard = Heard::default();
    let _second = second_dispatch();
    let ids = tracing::subscriber::with_default(heard.clone(), || {
        let scenario = Scenario::new(1).nodes(2).edge(1, 0);
        let mut world = scenario.reactor("talker", |_, _| Talker).build();
        connect_all(&mut world, &[(0, 1)]);
        world.run_for(SOON);
        [world.id_of(0), world.id_of(1)]
    });
    let lines = heard.0.lock().expect("no panic holds it").lines.clone();
    assert_eq!(lines.len(), 2, "each has heard the other: {lines:?}");
    for (id, direction) in ids.iter().zip(["outbound", "inbound"]) {
        let says = |line: &&String| line.starts_with(&format!("peer id={id} addr=10."));
        let line = lines.iter().find(says);
        let line = line.unwrap_or_else(|| panic!("{id} is in none of {lines:?}"));
        assert!(line.ends_with(&format!("direction={direction}")), "{line}");
    }
}

/// The named peers that a node said it had lost, and as what they are named.
fn lost(world: &World, node: u32) -> Vec<NamedAs> {
    let lost = world.events(node).filter_map(|event| match event {
        Event::NamedPeerLost { named_as, .. } => Some(*named_as),
        _ => None,
    });
    lost.collect()
}

fn hang_up(world: &mut World, node: u32, on: u32) {
    let home = world.home_of(node, on).expect("they are connected");
    let peer = world.id_of(on);
    world.command(node, home, Command::StopPeer { peer });
    world.run_until(SOON, |world| !world.are_connected(node, on));
}

#[test]
fn a_named_peer_that_hangs_up_again_and_again_is_told_of_once_and_a_stranger_never() {
    let scenario = Scenario::new(2).nodes(4).channel(channel(CHAT, 1));
    let first = scenario.build();
    let unconditional = first.id_of(2);
    let scenario = scenario.edge(0, 1).config(move |node, config| {
        if node == 0 {
            config.unconditional_peer_ids = vec![unconditional];
        }
    });
    let mut world = scenario.build();
    for _ in 0..3 {
        world.dial(2, 0, false);
        world.dial(3, 0, false);
        connect_all(&mut world, &[(0, 1), (0, 2), (0, 3)]);
        // Until both sides are known to have admitted the other.
        world.run_for(Duration::from_secs(1));
        for peer in [1, 2, 3] {
            hang_up(&mut world, peer, 0);
        }
    }
    let named = [NamedAs::Persistent, NamedAs::Unconditional];
    assert_eq!(lost(&world, 0), named);
    // What this node wants itself is no news to it.
    connect_all(&mut world, &[(0, 1)]);
    hang_up(&mut world, 0, 1);
    assert_eq!(lost(&world, 0), named);
}

#[test]
fn a_named_peer_that_comes_and_is_refused_is_told_of_once_and_a_stranger_never() {
    let scenario = Scenario::new(3).nodes(3).channel(channel(CHAT, 1));
    let banned = [1, 2].map(|node| scenario.build().id_of(node));
    let scenario = scenario.config(move |node, config| {
        if node == 0 {
            config.unconditional_peer_ids = vec![banned[0]];
        }
    });
    let mut world = scenario.build();
    for id in banned {
        let ban = Command::Ban {
            target: ringwire_core::peer::BanTarget::Id(id),
            span: Duration::from_secs(3600),
        };
        world.command(0, ShardId::COORDINATOR, ban);
    }
    for _ in 0..3 {
        world.dial(1, 0, false);
        world.dial(2, 0, false);
        world.run_for(SOON);
    }
    let told: Vec<_> = world
        .events(0)
        .filter_map(|event| match event {
            Event::NamedPeerFailed {
                address, named_as, ..
            } => Some((address.id, *named_as)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(banned[0], NamedAs::Unconditional)]);
}
