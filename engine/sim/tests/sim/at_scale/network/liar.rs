//! Nodes that speak on channel 0x00 and mean harm: one reactor, six ways to lie.
//!
//! A liar knows the address of every node and dials whom it likes, so it needs no book and no
//! luck. That is more than an attacker has, and makes the run harder than life.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::pex::{PEX_ADDRESSES_MAX, PEX_BYTES_MAX, PEX_CHANNEL};
use ringwire_codec::{NetAddress, NodeId, PexMessage};
use ringwire_core::peer::{PeerInfo, PeerKey, ShardId};
use ringwire_core::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire_sim::{Rng, spread_ip};

use super::plan::{OFFERED, Plan, Role, offered};

/// Pause between two rounds of dialing and of pestering peers.
const ROUND: Duration = Duration::from_secs(30);
/// Peers that each shard of an eclipsing node leaves per round, to get into more books.
const ROTATED: usize = 1;
/// Spread addresses of nobody are drawn from so many numbers.
const NOBODY_NUMBERS: u64 = 1_000_000;

/// A way to lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    /// Answers with addresses of nobody, and with true addresses under false ids.
    Poison,
    /// Sends lists that nobody asked for.
    Push,
    /// Never answers.
    Mute,
    /// Hangs up on everybody after the handshake.
    Refuse,
    /// Asks again and again.
    Nag,
    /// Lives in the attacker's /16 and tells of nothing else.
    Eclipse,
}

impl Lie {
    /// All of them, equally frequent.
    pub(crate) const ALL: [Lie; 6] = [
        Lie::Poison,
        Lie::Push,
        Lie::Mute,
        Lie::Refuse,
        Lie::Nag,
        Lie::Eclipse,
    ];

    /// Nodes that it dials at most: the eclipse attacker is diligent, who hangs up on everybody has
    /// no reason to dial, the others are like anybody.
    pub(crate) fn outbound_max(self) -> usize {
        match self {
            Lie::Eclipse => 40,
            Lie::Refuse => 0,
            _ => 10,
        }
    }
}

/// The reactor of a liar: one instance per shard.
pub(crate) struct Liar {
    lie: Lie,
    plan: Rc<Plan>,
}

impl Liar {
    pub(crate) fn new(lie: Lie, plan: Rc<Plan>) -> Self {
        Liar { lie, plan }
    }

    /// Up to a whole message of addresses.
    fn list(&self, chance: &mut Rng) -> Vec<NetAddress> {
        let len = chance.between(PEX_ADDRESSES_MAX as u64 / 2, PEX_ADDRESSES_MAX as u64);
        let mut one = || match self.lie {
            Lie::Eclipse => self.of_the_attacker(chance),
            _ => nobody(&self.plan, chance),
        };
        (0..len).map(|_| one()).collect()
    }

    /// About one in sixty is a node that is there, so that some prove good.
    fn of_the_attacker(&self, chance: &mut Rng) -> NetAddress {
        let number = self.random_number(chance);
        match self.plan.role(number) {
            Role::Liar(Lie::Eclipse) => self.plan.address(number),
            _ => offered(chance.below(u64::from(OFFERED)) as u32),
        }
    }

    fn random_number(&self, chance: &mut Rng) -> u32 {
        chance.below(u64::from(self.plan.nodes)) as u32
    }

    /// Dials victims up to the limit, and leaves some for others if it wants to be everywhere.
    fn make_rounds(&self, cx: &mut Context<'_, Self>, chance: &mut Rng) {
        if self.lie == Lie::Eclipse {
            for peer in cx.peers().into_iter().take(ROTATED) {
                cx.stop_peer_gracefully(peer);
            }
        }
        let Some(mut node) = cx.node() else { return };
        let census = node.census();
        let missing = self
            .lie
            .outbound_max()
            .saturating_sub(census.outbound + census.dialing);
        for _ in 0..missing {
            let victim = self.plan.address(self.random_number(chance));
            if !node.is_known(&victim.id) {
                node.dial(victim);
            }
        }
    }

    /// Does to a peer, asked by nobody, what this liar does.
    fn pester(&self, cx: &mut Context<'_, Self>, peer: PeerKey, chance: &mut Rng) {
        match self.lie {
            Lie::Push => say(cx, peer, &PexMessage::Addrs(self.list(chance))),
            Lie::Nag => {
                for _ in 0..5 {
                    say(cx, peer, &PexMessage::Request);
                }
            }
            Lie::Refuse => cx.stop_peer(peer, ReactorError::new("nobody is welcome")),
            Lie::Poison | Lie::Mute | Lie::Eclipse => {}
        }
    }
}

/// An address where nobody lives; one in four times somebody does, under another id.
fn nobody(plan: &Plan, chance: &mut Rng) -> NetAddress {
    let mut id = [0; 20];
    chance.fill(&mut id);
    let number = match chance.happens(0.25) {
        true => chance.below(u64::from(plan.nodes)),
        false => u64::from(plan.nodes) + chance.below(NOBODY_NUMBERS),
    };
    NetAddress::from_ip(NodeId::from_bytes(id), spread_ip(number as u32), 26_656)
}

fn say(cx: &mut Context<'_, Liar>, peer: PeerKey, message: &PexMessage) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    // A full queue loses the message, as a liar deserves.
    let _ = cx.try_send(peer, PEX_CHANNEL, Bytes::from(bytes));
}

/// Chance of this call: a liar has no state that has to survive it.
fn chance_of(cx: &mut Context<'_, Liar>) -> Rng {
    let [a, b, c, d, e, f, g, h, ..] = cx.random();
    Rng::new(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
}

impl Reactor for Liar {
    type Peer = ();
    type Note = ();
    type Timer = u64;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![ChannelDescriptor {
            send_queue_capacity: 10,
            recv_message_capacity: PEX_BYTES_MAX,
            ..ChannelDescriptor::new(PEX_CHANNEL, 1)
        }]
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        let mut chance = chance_of(cx);
        cx.set_timer(chance.duration_below(ROUND), 0);
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, _: &mut ()) {
        let mut chance = chance_of(cx);
        self.pester(cx, peer.key, &mut chance);
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        let asked = matches!(
            PexMessage::decode(&envelope.message),
            Ok(PexMessage::Request)
        );
        if asked && self.lie != Lie::Mute {
            let mut chance = chance_of(cx);
            let answer = PexMessage::Addrs(self.list(&mut chance));
            say(cx, envelope.from.key, &answer);
        }
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, _token: u64) {
        let mut chance = chance_of(cx);
        for peer in cx.peers() {
            self.pester(cx, peer, &mut chance);
        }
        if cx.shard() == ShardId::COORDINATOR {
            self.make_rounds(cx, &mut chance);
        }
        cx.set_timer(ROUND, 0);
    }
}
