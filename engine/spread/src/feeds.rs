//! [`FeedsNode`]: Ringwire's own gossip, the same code that the engine runs, in the harness.

use std::time::Duration;

use bytes::Bytes;
use ringwire_gossip::feeds::{
    BundleWriter, Counters, Delivery, FeedMessage, Feeds, FeedsConfig, Lane, MemberId, Neighbour,
    Output, Provenance, SIGNATURE_BYTES, SMALL_BYTES_MAX, Slot, Verdict,
};

use crate::liars::{JUNK, Liar};
use crate::machine::{Context, LinkId, Machine, Message, NodeIndex, Payload, Priority, Size};

/// A message of the protocol as it is on the wire.
#[derive(Clone, Debug)]
pub struct FeedsMessage {
    bytes: Bytes,
    lane: Lane,
    /// The payload's number and length, for a body.
    payload: Option<(u32, u32)>,
}

impl FeedsMessage {
    fn new(bytes: Bytes, lane: Lane) -> Self {
        let payload = match FeedMessage::decode(&bytes) {
            Ok(FeedMessage::Body(body)) => {
                // What stands with a payload in a bundle is header.
                let payload = body.messages().next().expect("a body has a message");
                Some((payload_id(payload), payload.len() as u32))
            }
            _ => None,
        };
        let payload = payload.filter(|(id, _)| *id != JUNK);
        FeedsMessage {
            bytes,
            lane,
            payload,
        }
    }
}

impl Message for FeedsMessage {
    fn size(&self) -> Size {
        let bytes = self.bytes.len() as u32;
        Size {
            payload: self.payload,
            control_bytes: bytes - self.payload.map_or(0, |(_, bytes)| bytes),
        }
    }

    fn priority(&self) -> Priority {
        match self.lane {
            Lane::Control => Priority::High,
            Lane::Bodies => Priority::Normal,
        }
    }
}

/// A node that gossips as Ringwire does.
#[derive(Debug)]
pub struct FeedsNode {
    feeds: Feeds,
    /// The link in each slot.
    links: Vec<Option<LinkId>>,
    /// All of them, in no order.
    up: Vec<LinkId>,
    /// Whether it publishes each payload in a bundle with a message that repeats its number.
    bundles: bool,
    /// The payload that was delivered last: its origin, number and id.
    delivered: Option<([u8; 32], u64, u32)>,
    /// What it says instead of the truth, if it lies.
    liar: Option<Liar>,
    /// Whether a message that breaks the rules is somebody's lie, and no fault of this code.
    is_among_liars: bool,
}

impl FeedsNode {
    /// The node of this number, with a seed of its own.
    pub fn new(node: NodeIndex, seed: u64) -> Self {
        FeedsNode {
            feeds: Feeds::new(FeedsConfig::default(), origin_of(node), 0, seed),
            links: Vec::new(),
            up: Vec::new(),
            bundles: false,
            delivered: None,
            liar: None,
            is_among_liars: false,
        }
    }

    /// A node that publishes each payload in a bundle with another message.
    pub fn bundling(node: NodeIndex, seed: u64) -> Self {
        FeedsNode {
            bundles: true,
            ..FeedsNode::new(node, seed)
        }
    }

    /// A node in a network in which some lie. It checks what it gets, as an application does with signatures.
    pub fn among_liars(node: NodeIndex, seed: u64, mut config: FeedsConfig) -> Self {
        config.check = true;
        FeedsNode {
            feeds: Feeds::new(config, origin_of(node), 0, seed),
            is_among_liars: true,
            ..FeedsNode::new(node, seed)
        }
    }

    /// The same, who knows these nodes as members. A set of none is none.
    #[must_use]
    pub fn with_members(mut self, node: NodeIndex, members: impl IntoIterator<Item = u32>) -> Self {
        let members = members.into_iter().map(|node| member_of(NodeIndex(node)));
        self.feeds.set_members(&member_of(node), &members.collect());
        self
    }

    /// The same as a liar. No payload is due to it.
    #[must_use]
    pub fn lying(self, liar: Liar) -> Self {
        FeedsNode {
            liar: Some(liar),
            ..self
        }
    }

    /// What the protocol counted.
    pub fn counters(&self) -> Counters {
        self.feeds.counters()
    }

    fn slot(&self, link: LinkId) -> Option<Slot> {
        let at = self.links.iter().position(|other| *other == Some(link))?;
        Slot::new(at)
    }

    /// Does what the protocol says.
    fn drain(&mut self, context: &mut Context<'_, FeedsMessage>) {
        while let Some(output) = self.feeds.poll_output() {
            match output {
                Output::Send {
                    slot, lane, bytes, ..
                } => {
                    let link = self.links[slot.index()].expect("the slot has a link");
                    self.say(context, link, lane, bytes);
                }
                Output::Deliver { delivery, .. } => self.deliver(context, &delivery),
                Output::Check { delivery, .. } => {
                    let verdicts: Vec<Verdict> = delivery
                        .messages()
                        .map(|message| verdict(&message))
                        .collect();
                    let Delivery { origin, seq, .. } = delivery;
                    self.feeds
                        .handle_verdicts(context.now(), &origin, seq, &verdicts);
                }
                Output::Close { slot, .. } => {
                    let link = self.links[slot.index()].expect("the slot has a link");
                    context.close(link);
                }
                other => unreachable!("nothing is checked here: {other:?}"),
            }
        }
        if let Some(at) = self.feeds.next_timeout() {
            context.wake_at(at);
        }
    }
}

impl FeedsNode {
    /// Gives a payload to the application. A message that came with it repeats its number, right behind it.
    fn deliver(&mut self, context: &mut Context<'_, FeedsMessage>, delivery: &Delivery) {
        let id = payload_id(&delivery.payload);
        let delivered = (delivery.origin, delivery.seq, id);
        if delivery.index > 0 {
            assert_eq!(self.delivered, Some(delivered), "a bundle has an order");
        } else if id != JUNK {
            self.delivered = Some(delivered);
            context.deliver(id);
        }
    }

    /// Sends what the protocol says, or what a liar makes of it.
    fn say(
        &mut self,
        context: &mut Context<'_, FeedsMessage>,
        link: LinkId,
        lane: Lane,
        bytes: Bytes,
    ) {
        let Some(liar) = &mut self.liar else {
            return context.send(link, FeedsMessage::new(bytes, lane));
        };
        let (words, to_all) = liar.say(context.now(), lane, bytes);
        for (lane, bytes) in words {
            context.send(link, FeedsMessage::new(bytes, lane));
        }
        for (lane, bytes) in to_all {
            for link in &self.up {
                context.send(*link, FeedsMessage::new(bytes.clone(), lane));
            }
        }
    }

    /// Publishes what a flooding node does.
    fn flood(&mut self, now: Duration) {
        if self.liar.as_mut().is_some_and(|liar| liar.floods(now)) {
            let message = Delivery {
                origin: [0; 32],
                seq: 0,
                index: 0,
                urgent: false,
                is_bundle: false,
                priority: 0,
                ends: false,
                signature: None,
                members: None,
                payload: JUNK.to_le_bytes().to_vec().into(),
            };
            let published = self.feeds.publish(now, &message, None);
            published.expect("the payload is small");
        }
    }
}

impl Machine for FeedsNode {
    type Message = FeedsMessage;

    fn handle_link_up(
        &mut self,
        context: &mut Context<'_, FeedsMessage>,
        link: LinkId,
        peer: NodeIndex,
        outbound: bool,
        rtt: Duration,
    ) {
        let neighbour = Neighbour {
            id: member_of(peer),
            provenance: Provenance {
                // Each node is in a network of its own.
                group: u64::from(peer.0),
                outbound,
            },
            rtt: Some(rtt),
        };
        if let Some(slot) = self.feeds.handle_link_up(context.now(), &neighbour) {
            self.links
                .resize(self.links.len().max(slot.index() + 1), None);
            self.links[slot.index()] = Some(link);
            self.up.push(link);
        }
        self.drain(context);
    }

    fn handle_link_down(&mut self, context: &mut Context<'_, FeedsMessage>, link: LinkId) {
        if let Some(slot) = self.slot(link) {
            self.feeds.handle_link_down(context.now(), slot);
            self.drain(context);
            self.links[slot.index()] = None;
            self.up.retain(|other| *other != link);
        }
    }

    fn handle_message(
        &mut self,
        context: &mut Context<'_, FeedsMessage>,
        link: LinkId,
        message: FeedsMessage,
    ) {
        let Some(slot) = self.slot(link) else { return };
        self.feeds.set_backlog(context.backlog(&self.up));
        let now = context.now();
        let read = self.feeds.handle_message(now, slot, &message.bytes);
        if self.is_among_liars && read.is_err() {
            context.close(link);
        } else {
            read.expect("an honest node's messages are read");
        }
        self.flood(now);
        self.drain(context);
    }

    fn publish(&mut self, context: &mut Context<'_, FeedsMessage>, payload: Payload) {
        let urgent = payload.bytes as usize <= SMALL_BYTES_MAX;
        let mut writer = BundleWriter::new(urgent);
        writer.push(payload_bytes(payload));
        if self.bundles {
            writer.push(payload.id.to_le_bytes().to_vec().into());
        }
        let put_together = writer.finish().expect("there is one");
        let message = Delivery {
            origin: [0; 32],
            seq: 0,
            index: 0,
            urgent,
            is_bundle: put_together.is_bundle,
            priority: 0,
            ends: false,
            // Its bytes count; nobody checks it here.
            signature: Some([0; SIGNATURE_BYTES]),
            members: self.feeds.members_for(put_together.bytes.len()),
            payload: put_together.bytes,
        };
        let published = self.feeds.publish(context.now(), &message, None);
        published.expect("the payload is small or medium");
        self.drain(context);
    }

    fn handle_timer(&mut self, context: &mut Context<'_, FeedsMessage>) {
        self.feeds.handle_timeout(context.now());
        self.drain(context);
    }

    fn is_counted(&self) -> bool {
        self.liar.is_none()
    }

    fn state_bytes(&self) -> usize {
        self.feeds.state_bytes()
    }
}

fn member_of(node: NodeIndex) -> MemberId {
    let mut member = [0; 20];
    member[..4].copy_from_slice(&node.0.to_le_bytes());
    member
}

fn origin_of(node: NodeIndex) -> [u8; 32] {
    let mut origin = [0; 32];
    origin[..4].copy_from_slice(&node.0.to_le_bytes());
    origin
}

/// Whether a payload is as its origin made it: its number, and zeros.
fn verdict(payload: &[u8]) -> Verdict {
    if payload.len() >= ID_BYTES && payload[ID_BYTES..].iter().all(|byte| *byte == 0) {
        Verdict::PassOn
    } else {
        Verdict::Blame
    }
}

// A payload begins with its number.
const ID_BYTES: usize = 4;

fn payload_bytes(payload: Payload) -> Bytes {
    let mut bytes = vec![0; payload.bytes.max(ID_BYTES as u32) as usize];
    bytes[..ID_BYTES].copy_from_slice(&payload.id.to_le_bytes());
    bytes.into()
}

fn payload_id(payload: &[u8]) -> u32 {
    let id = payload
        .first_chunk()
        .expect("a payload begins with its number");
    u32::from_le_bytes(*id)
}
