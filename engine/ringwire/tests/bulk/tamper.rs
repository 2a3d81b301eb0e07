//! One changed bit anywhere behind the handshake: noticed, closed for, and nothing wrong delivered.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use ringwire::Event;
use ringwire::error::CloseReason;
use ringwire::error::ConnError;
use ringwire::peer::Framing;
use ringwire::{Handle, Subscription};
use ringwire_codec::NodeId;
use ringwire_codec::secret::FRAME_SEALED;
use ringwire_codec::secret::handshake::EPHEMERAL_BYTES;

use crate::proxy::{Flip, Proxy, Toward};
use crate::support::node::{BULK, Node, address_at};
use crate::support::traffic::{Rng, Traffic};
use crate::{FRAMINGS, alone, start};

const WITHIN: Duration = Duration::from_secs(20);
/// Trials on each record layer, half of them in each direction.
const TRIALS: u64 = 100;
/// The dial has been answered after this many bytes: the ephemeral key, one frame of authentication,
/// one of NodeInfo, and one with the ping or the pong that proves the link.
const ESTABLISHED: usize = EPHEMERAL_BYTES + 3 * FRAME_SEALED;
/// Where the changed byte lies behind that, at most.
const STRETCH: usize = 256 << 10;
/// Bytes sent towards the changed byte: enough that whatever a changed length asks for comes.
const SENT: usize = 1 << 20;

#[test]
fn a_changed_byte_is_always_noticed_and_never_delivered() {
    let _alone = alone();
    for (framing, wide) in FRAMINGS {
        let (Some(dialer), Some(listener)) = (start(3, wide), start(4, wide)) else {
            return;
        };
        let mut pair = Pair::new(dialer, listener);
        let mut rng = Rng::new(0x7a11);
        for trial in 0..TRIALS {
            let flip = Flip {
                toward: if trial % 2 == 0 {
                    Toward::Listener
                } else {
                    Toward::Dialer
                },
                offset: ESTABLISHED + rng.below(STRETCH),
                mask: 1 << rng.below(8),
            };
            pair.try_flip(trial, framing, flip);
        }
        println!("{framing:?}: {TRIALS} changed bytes, all noticed");
    }
}

/// Two engines that meet through a proxy, again and again.
struct Pair {
    dialer: Side,
    listener: Side,
}

/// One engine and what its application gets.
struct Side {
    node: Node,
    messages: Subscription,
}

impl Side {
    fn new(node: Node) -> Side {
        let messages = node
            .engine
            .handle()
            .subscribe(BULK[0])
            .expect("the channel is declared");
        Side { node, messages }
    }

    /// Waits until the peer is gone; why.
    fn wait_removed(&mut self) -> Option<CloseReason> {
        self.node.wait_event(WITHIN, |event| match event {
            Event::PeerRemoved { reason, .. } => Some(reason),
            _ => None,
        })
    }
}

impl Pair {
    fn new(dialer: Node, listener: Node) -> Pair {
        Pair {
            dialer: Side::new(dialer),
            listener: Side::new(listener),
        }
    }

    fn try_flip(&mut self, trial: u64, framing: Framing, flip: Flip) {
        let case = format!("{framing:?}, trial {trial}: {flip:?}");
        let target = self.listener.node.engine.handle().listen_addr();
        let proxy = Proxy::start(target, flip);
        self.connect(proxy.addr, &case);
        let (victim, sender) = match flip.toward {
            Toward::Listener => (&mut self.listener, &self.dialer),
            Toward::Dialer => (&mut self.dialer, &self.listener),
        };
        let (handle, victim_id) = (
            sender.node.engine.handle(),
            victim.node.engine.handle().node_id(),
        );
        thread::scope(|scope| {
            scope.spawn(|| send_until_closed(handle, victim_id, trial));
            let reason = victim
                .wait_removed()
                .unwrap_or_else(|| panic!("{case}: not noticed"));
            assert!(
                is_noticed(&reason, framing),
                "{case}: closed for {reason:?}"
            );
        });
        // The news that the peer is gone may overtake its last messages, within a turn of the shard;
        // a shard answers in a later one.
        victim.node.engine.handle().counters_blocking();
        check_delivered(&mut victim.messages, trial, &case);
        match flip.toward {
            Toward::Listener => self.dialer.wait_removed(),
            Toward::Dialer => self.listener.wait_removed(),
        }
        .unwrap_or_else(|| panic!("{case}: the other side holds on to a peer that is gone"));
        assert!(proxy.finish(), "{case}: the byte was never reached");
    }

    fn connect(&self, addr: SocketAddr, case: &str) {
        let id = self.listener.node.engine.handle().node_id();
        let dialed = self
            .dialer
            .node
            .engine
            .handle()
            .dial_blocking(address_at(id, addr));
        assert_eq!(dialed, Ok(id), "{case}");
        let admitted = self
            .listener
            .node
            .engine
            .handle()
            .wait_for_peers_blocking(1, WITHIN);
        admitted.unwrap_or_else(|error| panic!("{case}: {error}"));
    }
}

fn traffic(trial: u64) -> Traffic {
    Traffic::new(trial, SENT).at_most(100_000)
}

/// Sends the trial's messages; the connection may break off at any of them.
fn send_until_closed(handle: &Handle, to: NodeId, trial: u64) {
    for message in traffic(trial) {
        if handle.send_blocking(to, BULK[0], message, WITHIN).is_err() {
            return;
        }
    }
}

/// Whether the reason says that bytes were changed on the way.
fn is_noticed(reason: &CloseReason, framing: Framing) -> bool {
    match reason {
        CloseReason::Connection(ConnError::Frame(_)) => framing == Framing::Comet,
        CloseReason::Connection(ConnError::Record(_)) => framing == Framing::Wide,
        _ => false,
    }
}

/// What was delivered is the beginning of what was sent: whole, in order, unchanged.
fn check_delivered(messages: &mut Subscription, trial: u64, case: &str) {
    let mut sent = traffic(trial);
    // The peer is gone and its shard has told all it had to tell, so what has come is all there is.
    while let Some(delivery) = messages.try_recv() {
        let expected = sent.next();
        assert!(
            expected.is_some_and(|message| message == delivery.message),
            "{case}: wrong bytes"
        );
    }
    assert!(
        sent.next().is_some(),
        "{case}: the message with the changed byte was delivered"
    );
}
