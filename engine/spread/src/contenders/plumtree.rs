//! [`Plumtree`]: one tree for all, made of the links over which messages come first (Leitão, Pereira,
//! Rodrigues: Epidemic Broadcast Trees, 2007).
//!
//! * A neighbour is eager or lazy; all are eager at first. A message goes to the eager ones whole, and to the
//!   lazy ones as `IHave`: its id and how many hops it has come.
//! * A copy too many makes its link lazy at both ends (`Prune`).
//! * A message that is announced and does not come within a timeout is asked for with `Graft`, which makes the
//!   link eager at both ends; then, after a shorter timeout, from the next that announced it.
//! * A message that came over many more hops than an announcement of it moves the node to the announcer:
//!   `Graft` without an id, and `Prune` to who sent it.
//!
//! The tree is shared: it grows around who speaks first, and others' messages take its ways too. The paper
//! wants the first timeout in the order of the network's diameter and the second in that of a round trip to a
//! neighbour, but shorter: the defaults are 200 ms, in which flooding reaches a thousand nodes of this model
//! (`cargo run --release --example spread`), and 100 ms. `iroh-gossip` takes 80 and 40 ms. Announcements wait
//! 5 ms for others, as there, and the hop threshold is 7, as in the paper's experiments. Sizes are those of
//! `iroh-gossip`: ids of 32 bytes, postcard.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::machine::{Context, LinkId, Machine, Message, NodeIndex, Payload, Priority, Size};

/// Bytes of a BLAKE3 hash, of a hop count, and of a frame's length, topic and kind.
const ID_BYTES: u32 = 32;
const HOPS_BYTES: u32 = 1;
const HEADER_BYTES: u32 = 4 + 1 + 2;

/// When a node does what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlumtreeConfig {
    /// From the first announcement until the message is asked for.
    pub graft_timeout: Duration,
    /// From asking one neighbour until asking the next.
    pub regraft_timeout: Duration,
    /// How long an announcement waits for others to the same neighbour.
    pub dispatch_delay: Duration,
    /// So many hops less make a lazy neighbour the better parent.
    pub threshold_hops: u16,
}

impl Default for PlumtreeConfig {
    fn default() -> Self {
        PlumtreeConfig {
            graft_timeout: Duration::from_millis(200),
            regraft_timeout: Duration::from_millis(100),
            dispatch_delay: Duration::from_millis(5),
            threshold_hops: 7,
        }
    }
}

/// That a node has a payload, and over how many hops it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announcement {
    id: u32,
    hops: u16,
}

/// What Plumtree's nodes say to each other.
#[derive(Clone, Debug)]
pub enum PlumtreeMessage {
    /// A payload, whole, and over how many hops the receiver has it.
    Gossip(Payload, u16),
    /// What the sender has.
    IHave(Rc<[Announcement]>),
    /// "Be eager to me", and perhaps: "send me this payload".
    Graft(Option<u32>),
    /// "Be lazy to me."
    Prune,
}

impl Message for PlumtreeMessage {
    fn size(&self) -> Size {
        let control = |bytes| Size::control(HEADER_BYTES + bytes);
        match self {
            PlumtreeMessage::Gossip(payload, _) => Size {
                payload: Some((payload.id, payload.bytes)),
                // Two bytes are the length of the payload, and the scope.
                control_bytes: HEADER_BYTES + ID_BYTES + HOPS_BYTES + 2,
            },
            PlumtreeMessage::IHave(list) => {
                control(1 + list.len() as u32 * (ID_BYTES + HOPS_BYTES))
            }
            PlumtreeMessage::Graft(Some(_)) => control(1 + ID_BYTES + HOPS_BYTES),
            PlumtreeMessage::Graft(None) => control(1 + HOPS_BYTES),
            PlumtreeMessage::Prune => control(0),
        }
    }

    fn priority(&self) -> Priority {
        match self {
            PlumtreeMessage::Gossip(payload, _) => Priority::of_payload(payload.bytes),
            _ => Priority::High,
        }
    }
}

#[derive(Debug)]
struct Peer {
    link: LinkId,
    is_eager: bool,
    /// What it is going to be told.
    announcements: Vec<Announcement>,
}

/// A payload that was announced and is not there.
#[derive(Debug)]
struct Missing {
    due_at: Duration,
    /// Who has it, and was not asked yet; the first first.
    announcers: VecDeque<(LinkId, u16)>,
}

/// A node that runs Plumtree.
#[derive(Debug, Default)]
pub struct Plumtree {
    config: PlumtreeConfig,
    peers: Vec<Peer>,
    /// By payload, with the hops over which a neighbour would get it.
    held: Vec<Option<(Payload, u16)>>,
    held_len: usize,
    missing: BTreeMap<u32, Missing>,
    dispatch_at: Option<Duration>,
}

impl Plumtree {
    /// A node without links.
    pub fn new(config: PlumtreeConfig) -> Self {
        Plumtree {
            config,
            ..Plumtree::default()
        }
    }

    fn held(&self, id: u32) -> Option<(Payload, u16)> {
        self.held.get(id as usize).copied().flatten()
    }

    fn set_eager(&mut self, link: LinkId, is_eager: bool) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.link == link) {
            peer.is_eager = is_eager;
        }
    }

    /// Keeps a payload and passes it on; `hops` is over how many a neighbour gets it.
    fn spread(
        &mut self,
        context: &mut Context<'_, PlumtreeMessage>,
        payload: Payload,
        hops: u16,
        from: Option<LinkId>,
    ) {
        let index = payload.id as usize;
        if self.held.len() <= index {
            self.held.resize(index + 1, None);
        }
        self.held[index] = Some((payload, hops));
        self.held_len += 1;
        for peer in &mut self.peers {
            if Some(peer.link) == from {
                continue;
            }
            if peer.is_eager {
                context.send(peer.link, PlumtreeMessage::Gossip(payload, hops));
            } else {
                let id = payload.id;
                peer.announcements.push(Announcement { id, hops });
            }
        }
        if self.dispatch_at.is_none() {
            let at = context.now() + self.config.dispatch_delay;
            self.dispatch_at = Some(at);
            context.wake_at(at);
        }
    }

    fn handle_gossip(
        &mut self,
        context: &mut Context<'_, PlumtreeMessage>,
        link: LinkId,
        payload: Payload,
        hops: u16,
    ) {
        if self.held(payload.id).is_some() {
            self.set_eager(link, false);
            return context.send(link, PlumtreeMessage::Prune);
        }
        context.deliver(payload.id);
        self.spread(context, payload, hops + 1, Some(link));
        self.set_eager(link, true);
        if let Some(missing) = self.missing.remove(&payload.id) {
            self.move_closer(context, link, hops, &missing);
        }
    }

    /// Takes a lazy neighbour for a parent if it is much closer to the origin than `parent`.
    fn move_closer(
        &self,
        context: &mut Context<'_, PlumtreeMessage>,
        parent: LinkId,
        hops: u16,
        missing: &Missing,
    ) {
        let closest = missing.announcers.iter().min_by_key(|(_, hops)| *hops);
        if let Some((link, announced_hops)) = closest
            && announced_hops + self.config.threshold_hops <= hops
        {
            context.send(*link, PlumtreeMessage::Graft(None));
            context.send(parent, PlumtreeMessage::Prune);
        }
    }

    fn handle_i_have(
        &mut self,
        context: &mut Context<'_, PlumtreeMessage>,
        link: LinkId,
        list: &[Announcement],
    ) {
        for Announcement { id, hops } in list {
            if self.held(*id).is_some() {
                continue;
            }
            let due_at = context.now() + self.config.graft_timeout;
            let missing = self.missing.entry(*id).or_insert_with(|| {
                context.wake_at(due_at);
                Missing {
                    due_at,
                    announcers: VecDeque::new(),
                }
            });
            missing.announcers.push_back((link, *hops));
        }
    }

    fn handle_graft(
        &mut self,
        context: &mut Context<'_, PlumtreeMessage>,
        link: LinkId,
        id: Option<u32>,
    ) {
        self.set_eager(link, true);
        if let Some((payload, hops)) = id.and_then(|id| self.held(id)) {
            context.send(link, PlumtreeMessage::Gossip(payload, hops));
        }
    }

    /// Asks for what should be here by now.
    fn graft_due(&mut self, context: &mut Context<'_, PlumtreeMessage>) {
        let now = context.now();
        let mut parents = Vec::new();
        let regraft_at = now + self.config.regraft_timeout;
        // Who announced it last may have been asked in vain: the next announcement starts anew.
        self.missing.retain(|id, missing| {
            if missing.due_at > now {
                return true;
            }
            let Some((link, _)) = missing.announcers.pop_front() else {
                return false;
            };
            missing.due_at = regraft_at;
            context.send(link, PlumtreeMessage::Graft(Some(*id)));
            parents.push(link);
            true
        });
        for parent in parents {
            self.set_eager(parent, true);
        }
    }

    fn dispatch(&mut self, context: &mut Context<'_, PlumtreeMessage>) {
        for peer in &mut self.peers {
            if !peer.announcements.is_empty() {
                let list = peer.announcements.drain(..).collect();
                context.send(peer.link, PlumtreeMessage::IHave(list));
            }
        }
    }
}

impl Machine for Plumtree {
    type Message = PlumtreeMessage;

    fn handle_link_up(
        &mut self,
        _context: &mut Context<'_, PlumtreeMessage>,
        link: LinkId,
        _peer: NodeIndex,
        _outbound: bool,
        _rtt: Duration,
    ) {
        self.peers.push(Peer {
            link,
            is_eager: true,
            announcements: Vec::new(),
        });
    }

    fn handle_link_down(&mut self, _context: &mut Context<'_, PlumtreeMessage>, link: LinkId) {
        self.peers.retain(|peer| peer.link != link);
        for missing in self.missing.values_mut() {
            missing
                .announcers
                .retain(|(announcer, _)| *announcer != link);
        }
    }

    fn handle_message(
        &mut self,
        context: &mut Context<'_, PlumtreeMessage>,
        link: LinkId,
        message: PlumtreeMessage,
    ) {
        match message {
            PlumtreeMessage::Gossip(payload, hops) => {
                self.handle_gossip(context, link, payload, hops);
            }
            PlumtreeMessage::IHave(list) => self.handle_i_have(context, link, &list),
            PlumtreeMessage::Graft(id) => self.handle_graft(context, link, id),
            PlumtreeMessage::Prune => self.set_eager(link, false),
        }
    }

    fn publish(&mut self, context: &mut Context<'_, PlumtreeMessage>, payload: Payload) {
        self.spread(context, payload, 1, None);
    }

    fn handle_timer(&mut self, context: &mut Context<'_, PlumtreeMessage>) {
        if self
            .dispatch_at
            .take_if(|at| *at <= context.now())
            .is_some()
        {
            self.dispatch(context);
        }
        self.graft_due(context);
        let due = self.missing.values().map(|missing| missing.due_at).min();
        for at in self.dispatch_at.into_iter().chain(due) {
            context.wake_at(at);
        }
    }

    fn state_bytes(&self) -> usize {
        let announcers = |missing: &Missing| missing.announcers.len() * 8;
        let missing: usize = self.missing.values().map(announcers).sum();
        self.held_len * (ID_BYTES + HOPS_BYTES) as usize + missing + self.peers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Model, Network, Occurrence};

    /// A node with two neighbours over free links.
    struct Bench {
        network: Network<PlumtreeMessage>,
        node: Plumtree,
        links: [LinkId; 2],
    }

    const PAYLOAD: Payload = Payload {
        id: 0,
        origin: NodeIndex(9),
        seq: 0,
        bytes: 100,
    };

    impl Bench {
        fn new() -> Self {
            let model = Model {
                bits_per_second: None,
                slow_start: false,
                jitter: 0.0,
                ..Model::default()
            };
            let mut network = Network::new(model, 3, fastrand::Rng::with_seed(1));
            let latency = Duration::from_millis(1);
            let links =
                [1, 2].map(|peer| network.connect(NodeIndex(0), NodeIndex(peer), latency).0);
            let mut bench = Bench {
                network,
                node: Plumtree::default(),
                links,
            };
            for link in links {
                bench.tell(|node, context| {
                    node.handle_link_up(context, link, NodeIndex(1), true, latency * 2);
                });
            }
            bench
        }

        fn tell(&mut self, what: impl FnOnce(&mut Plumtree, &mut Context<'_, PlumtreeMessage>)) {
            let mut deliveries = Vec::new();
            let mut closing = Vec::new();
            let (network, node) = (&mut self.network, NodeIndex(0));
            let mut context = Context::new(network, &mut deliveries, &mut closing, node);
            what(&mut self.node, &mut context);
        }

        fn hear(&mut self, link: usize, message: PlumtreeMessage) {
            let link = self.links[link];
            self.tell(|node, context| node.handle_message(context, link, message));
        }

        /// What the neighbours have heard by the end, with when and who.
        fn play(&mut self) -> Vec<(u64, u32, String)> {
            let mut heard = Vec::new();
            while let Some(occurrence) = self.network.poll() {
                match occurrence {
                    Occurrence::Message { node, message, .. } => {
                        let at = self.network.now().as_millis() as u64;
                        heard.push((at, node.0, format!("{message:?}")));
                    }
                    Occurrence::Timer(_) => self.tell(|node, context| node.handle_timer(context)),
                    Occurrence::Plan(_) => unreachable!("nobody planned anything"),
                }
            }
            heard
        }
    }

    fn announcement(hops: u16) -> PlumtreeMessage {
        PlumtreeMessage::IHave([Announcement { id: 0, hops }].into())
    }

    #[test]
    fn a_parent_that_is_seven_hops_farther_than_an_announcer_is_left() {
        let heard = |hops| {
            let mut bench = Bench::new();
            bench.node.set_eager(bench.links[0], false);
            bench.hear(0, announcement(2));
            bench.hear(1, PlumtreeMessage::Gossip(PAYLOAD, hops));
            let mut heard: Vec<_> = bench
                .play()
                .into_iter()
                .map(|(_, node, what)| (node, what))
                .collect();
            heard.retain(|(_, what)| !what.starts_with("IHave"));
            heard
        };
        assert_eq!(heard(8), []);
        let moves = [(1, "Graft(None)".to_owned()), (2, "Prune".to_owned())];
        assert_eq!(heard(9), moves);
    }

    #[test]
    fn what_does_not_come_is_asked_for_from_one_announcer_after_the_other() {
        let mut bench = Bench::new();
        bench.hear(0, announcement(1));
        bench.hear(1, announcement(1));
        let graft = "Graft(Some(0))".to_owned();
        let expected = [(201, 1, graft.clone()), (301, 2, graft)];
        assert_eq!(bench.play(), expected);
        // Both were asked in vain, and forgotten: who announces it again is asked again.
        bench.hear(0, announcement(1));
        assert_eq!(bench.play().len(), 1);
    }

    #[test]
    fn a_graft_is_answered_and_makes_the_link_eager() {
        let mut bench = Bench::new();
        bench.hear(0, PlumtreeMessage::Prune);
        bench.hear(1, PlumtreeMessage::Gossip(PAYLOAD, 1));
        let heard = bench.play();
        assert!(
            matches!(&heard[..], [(_, 1, what)] if what.starts_with("IHave")),
            "{heard:?}"
        );
        bench.hear(0, PlumtreeMessage::Graft(Some(0)));
        let heard = bench.play();
        assert!(
            matches!(&heard[..], [(_, 1, what)] if what.starts_with("Gossip")),
            "{heard:?}"
        );
        assert!(bench.node.peers[0].is_eager);
    }
}
