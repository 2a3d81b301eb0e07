//! [`run`]: plays a scenario.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::ledger::Ledger;
use crate::machine::{Context, LinkId, Machine, Message, NodeIndex, Payload};
use crate::network::{Network, Occurrence};
use crate::overlay::{Overlay, links};
use crate::place::{Place, places};
use crate::report::{CURVE_POINTS, NEVER, Report, quantile};
use crate::scenario::{Scenario, ScenarioError};

/// What the world plans for itself.
const PUBLISH: u32 = 0;
const SILENCE: u32 = 1;
const CHURN: u32 = 2;
const END: u32 = 3;
const BREAK: u32 = 4;
const MEND: u32 = 5;

/// From one replaced node or broken link to the next at most, in seconds: a year. No run is as long.
const PAUSE_MAX: f64 = 365.0 * 86_400.0;

/// A link that broke is made again after this.
const BROKEN_FOR: Duration = Duration::from_secs(2);

/// Plays the scenario with a machine from `make` on each node. `make` also gets a seed of the node's own.
/// `progress` hears after each published payload how many of how many are.
///
/// # Errors
/// [`ScenarioError`] when the scenario cannot be played.
///
/// # Panics
/// When a machine delivers or sends a payload that nobody published.
pub fn run<M: Machine>(
    scenario: &Scenario,
    make: impl FnMut(NodeIndex, u64) -> M,
    progress: impl FnMut(u32, u32),
) -> Result<Report, ScenarioError> {
    scenario.check()?;
    let mut world = World::new(scenario, make, progress);
    world.link_all();
    world.play();
    assert_eq!(world.ledger.unknown(), 0, "payloads come from origins");
    Ok(world.report())
}

struct World<'a, M: Machine, F, P> {
    scenario: &'a Scenario,
    make: F,
    progress: P,
    network: Network<M::Message>,
    machines: Vec<M>,
    /// The links of each node.
    links: Vec<Vec<LinkId>>,
    places: Vec<Place>,
    /// Since when each node is there.
    since: Vec<Duration>,
    /// Who was linked by the links that are to be made again, in the order of that.
    broken: VecDeque<(NodeIndex, NodeIndex)>,
    is_silent: Vec<bool>,
    ledger: Ledger,
    /// Who publishes, in this order, again and again.
    origins: Vec<NodeIndex>,
    published: u32,
    state_bytes: usize,
    sends: u64,
    /// Bytes of headers at the moment when the measured part began.
    header_bytes_before: u64,
    deliveries: Vec<u32>,
    closing: Vec<LinkId>,
    trace: blake3::Hasher,
    rng: fastrand::Rng,
}

impl<'a, M, F, P> World<'a, M, F, P>
where
    M: Machine,
    F: FnMut(NodeIndex, u64) -> M,
    P: FnMut(u32, u32),
{
    fn new(scenario: &'a Scenario, mut make: F, progress: P) -> Self {
        let mut rng = fastrand::Rng::with_seed(scenario.seed);
        let nodes = scenario.nodes;
        let places = places(nodes, &mut rng);
        let mut order: Vec<u32> = (0..nodes).collect();
        rng.shuffle(&mut order);
        order.truncate(scenario.origin_count() as usize);
        let machines = (0..nodes)
            .map(|node| make(NodeIndex(node), rng.u64(..)))
            .collect();
        World {
            scenario,
            make,
            progress,
            network: Network::new(scenario.model, nodes, rng.fork()),
            machines,
            links: vec![Vec::new(); nodes as usize],
            places,
            since: vec![Duration::ZERO; nodes as usize],
            broken: VecDeque::new(),
            is_silent: vec![false; nodes as usize],
            ledger: Ledger::new(nodes, scenario.warm_messages()),
            origins: order.into_iter().map(NodeIndex).collect(),
            published: 0,
            state_bytes: 0,
            sends: 0,
            header_bytes_before: 0,
            deliveries: Vec::new(),
            closing: Vec::new(),
            trace: blake3::Hasher::new(),
            rng,
        }
    }

    fn link_all(&mut self) {
        // A generator of its own: protocols that draw differently still stand on the same overlay.
        let mut rng = fastrand::Rng::with_seed(self.scenario.seed ^ 0x6c69_6e6b);
        let made = links(
            self.scenario.overlay,
            &self.places,
            self.scenario.degree,
            &mut rng,
        );
        for (source, target) in made {
            self.connect(NodeIndex(source), NodeIndex(target));
        }
    }

    fn play(&mut self) {
        let start = Duration::from_secs(1);
        self.network.schedule(start, PUBLISH);
        if self.scenario.churn > 0.0 {
            self.schedule_churn();
        }
        if self.scenario.breaks > 0.0 {
            self.schedule_break();
        }
        while let Some(occurrence) = self.network.poll() {
            match occurrence {
                Occurrence::Message {
                    node,
                    link,
                    message,
                } => self.handle_message(node, link, message),
                Occurrence::Timer(node) => {
                    self.tell(node, |machine, context| machine.handle_timer(context));
                }
                Occurrence::Plan(PUBLISH) => self.publish(),
                Occurrence::Plan(SILENCE) => self.silence(),
                Occurrence::Plan(CHURN) => {
                    self.replace_one();
                    self.schedule_churn();
                }
                Occurrence::Plan(BREAK) => {
                    self.break_one();
                    self.schedule_break();
                }
                Occurrence::Plan(MEND) => self.mend_one(),
                Occurrence::Plan(_) => break,
            }
        }
    }

    fn handle_message(&mut self, node: NodeIndex, link: LinkId, message: M::Message) {
        let (source, _) = self.network.other_end(link);
        let size = message.size();
        self.sends += 1;
        self.ledger.handle_control(size.control_bytes);
        if let Some((id, bytes)) = size.payload {
            self.ledger.handle_carried(source, node, id, bytes);
        }
        self.note(&[u64::from(link.0), u64::from(size.bytes())]);
        self.tell(node, |machine, context| {
            machine.handle_message(context, link, message);
        });
    }

    fn publish(&mut self) {
        if self.published == self.scenario.warm_messages() {
            self.header_bytes_before = self.header_bytes();
        }
        let origins = self.origins.len() as u32;
        let payload = Payload {
            id: self.published,
            origin: self.origins[(self.published % origins) as usize],
            seq: self.published / origins,
            bytes: self.scenario.payload_bytes,
        };
        self.published += 1;
        self.ledger.handle_published(self.network.now(), payload);
        self.tell(payload.origin, |machine, context| {
            machine.publish(context, payload);
        });
        let total = self.scenario.warm_messages() + self.scenario.messages;
        (self.progress)(self.published, total);
        self.schedule_next(total);
    }

    fn schedule_next(&mut self, total: u32) {
        let now = self.network.now();
        if self.published == total {
            self.network.schedule(now + self.scenario.settle, END);
        } else if self.published == self.scenario.warm_messages() {
            self.network.schedule(now + self.scenario.settle, SILENCE);
        } else {
            let wait = self.scenario.interval.mul_f64(0.5 + self.rng.f64());
            self.network.schedule(now + wait, PUBLISH);
        }
    }

    /// The warm part is over.
    fn silence(&mut self) {
        let mut others: Vec<u32> = (0..self.scenario.nodes)
            .filter(|node| !self.origins.contains(&NodeIndex(*node)))
            .collect();
        self.rng.shuffle(&mut others);
        let count = self.scenario.silent_count() as usize;
        for node in others.into_iter().take(count) {
            self.is_silent[node as usize] = true;
            self.network.set_mute(NodeIndex(node), true);
        }
        self.network.schedule(self.network.now(), PUBLISH);
    }

    fn schedule_churn(&mut self) {
        self.schedule_one_of(f64::from(self.scenario.nodes) * self.scenario.churn, CHURN);
    }

    fn schedule_break(&mut self) {
        let links: usize = self.links.iter().map(Vec::len).sum();
        self.schedule_one_of((links / 2) as f64 * self.scenario.breaks, BREAK);
    }

    /// The next of so many in a minute.
    fn schedule_one_of(&mut self, a_minute: f64, plan: u32) {
        let wait = Duration::from_secs_f64((60.0 / a_minute).min(PAUSE_MAX));
        self.network.schedule(self.network.now() + wait, plan);
    }

    /// A link is gone, with all that was under way on it.
    fn break_one(&mut self) {
        let node = NodeIndex(self.rng.u32(0..self.scenario.nodes));
        let links = &self.links[node.0 as usize];
        let Some(link) = self.rng.choice(links).copied() else {
            return;
        };
        let (peer, _) = self.network.other_end(link);
        if self.is_silent[node.0 as usize] || self.is_silent[peer.0 as usize] {
            return;
        }
        self.close(node, link);
        self.broken.push_back((node, peer));
        self.network.schedule(self.network.now() + BROKEN_FOR, MEND);
    }

    /// The link that broke first is made again, if its nodes have not met otherwise.
    fn mend_one(&mut self) {
        let Some((source, target)) = self.broken.pop_front() else {
            return;
        };
        let links = &self.links[source.0 as usize];
        let mut peers = links.iter().map(|link| self.network.other_end(*link).0);
        if !peers.any(|peer| peer == target) {
            self.connect(source, target);
        }
    }

    /// A node that is no origin goes; a new one comes with links to others.
    fn replace_one(&mut self) {
        let node = NodeIndex(self.rng.u32(0..self.scenario.nodes));
        if self.origins.contains(&node) || self.is_silent[node.0 as usize] {
            return;
        }
        self.keep_state_bytes(node);
        for link in std::mem::take(&mut self.links[node.0 as usize]) {
            let (peer, end) = self.network.other_end(link);
            self.network.disconnect(link);
            self.links[peer.0 as usize].retain(|other| *other != end);
            self.tell(peer, |machine, context| {
                machine.handle_link_down(context, end);
            });
        }
        self.network.forget_timer(node);
        self.machines[node.0 as usize] = (self.make)(node, self.rng.u64(..));
        self.since[node.0 as usize] = self.network.now();
        self.ledger.handle_replaced(node);
        let links = match self.scenario.overlay {
            Overlay::Full => self.scenario.nodes - 1,
            Overlay::Random | Overlay::Near => self.scenario.degree,
        };
        let mut peers = BTreeSet::new();
        while peers.len() < links as usize {
            let peer = NodeIndex(self.rng.u32(0..self.scenario.nodes));
            if peer != node && peers.insert(peer) {
                self.connect(node, peer);
            }
        }
    }

    fn connect(&mut self, source: NodeIndex, target: NodeIndex) {
        let latency = self.latency(source, target);
        let (ours, theirs) = self.network.connect(source, target, latency);
        for (node, link, peer, outbound) in [
            (source, ours, target, true),
            (target, theirs, source, false),
        ] {
            self.links[node.0 as usize].push(link);
            self.tell(node, |machine, context| {
                machine.handle_link_up(context, link, peer, outbound, latency * 2);
            });
        }
    }

    /// One way, without anything else on it.
    fn latency(&self, source: NodeIndex, target: NodeIndex) -> Duration {
        let (source, target) = (source.0 as usize, target.0 as usize);
        let latency = self.places[source].latency_to(&self.places[target]);
        latency.mul_f64(self.scenario.model.distance)
    }

    fn tell(&mut self, node: NodeIndex, what: impl FnOnce(&mut M, &mut Context<'_, M::Message>)) {
        let (deliveries, closing) = (&mut self.deliveries, &mut self.closing);
        let mut context = Context::new(&mut self.network, deliveries, closing, node);
        what(&mut self.machines[node.0 as usize], &mut context);
        let now = self.network.now();
        for id in std::mem::take(&mut self.deliveries) {
            self.note(&[u64::from(node.0), u64::from(id), now.as_nanos() as u64]);
            self.ledger.handle_delivered(now, node, id);
        }
        for link in std::mem::take(&mut self.closing) {
            self.close(node, link);
        }
    }

    /// A machine hangs up. Of a silent one nobody hears that.
    fn close(&mut self, node: NodeIndex, link: LinkId) {
        if self.is_silent[node.0 as usize] {
            return;
        }
        let links = &mut self.links[node.0 as usize];
        let Some(at) = links.iter().position(|other| *other == link) else {
            return;
        };
        links.swap_remove(at);
        let (peer, end) = self.network.other_end(link);
        self.network.disconnect(link);
        self.links[peer.0 as usize].retain(|other| *other != end);
        for (node, link) in [(node, link), (peer, end)] {
            self.tell(node, |machine, context| {
                machine.handle_link_down(context, link);
            });
        }
    }

    fn note(&mut self, facts: &[u64]) {
        for fact in facts {
            self.trace.update(&fact.to_le_bytes());
        }
    }

    fn keep_state_bytes(&mut self, node: NodeIndex) {
        let bytes = self.machines[node.0 as usize].state_bytes();
        self.state_bytes = self.state_bytes.max(bytes);
    }

    fn header_bytes(&self) -> u64 {
        let nodes = (0..self.scenario.nodes).map(NodeIndex);
        nodes
            .map(|node| self.network.traffic(node).received_header_bytes)
            .sum()
    }

    fn report(mut self) -> Report {
        for node in 0..self.scenario.nodes {
            if self.machines[node as usize].is_counted() {
                self.keep_state_bytes(NodeIndex(node));
            }
        }
        let account = self.ledger.account(|node, published_at| {
            let node = node.0 as usize;
            let is_there = !self.is_silent[node] && self.since[node] <= published_at;
            is_there && self.machines[node].is_counted()
        });
        // What each node should have received once; the origin of a payload is one node of many.
        let due_bytes = account.payload_bytes as f64 * f64::from(self.scenario.nodes - 1);
        let header_bytes = self.header_bytes() - self.header_bytes_before;
        let (received, sent) = self.ledger.node_bytes();
        let mut received: Vec<u64> = received.to_vec();
        received.sort_unstable();
        let each = |bytes: u64| bytes as f64 / account.payload_bytes as f64;
        let direct_curve = self.direct_curve();
        let curve = (1..CURVE_POINTS).map(|percent| {
            let share = percent as f64 / 100.0;
            (
                quantile(&account.delays, share),
                share * account.delivered as f64 / account.due as f64,
            )
        });
        Report {
            due: account.due,
            delivered: account.delivered,
            doubled: account.doubled,
            copies: account.received_bytes as f64 / due_bytes,
            copies_p99: each(quantile(&received, 0.99)),
            copies_max: each(quantile(&received, 1.0)),
            control_share: account.control_bytes as f64 / due_bytes,
            header_share: header_bytes as f64 / due_bytes,
            half: mean(&account.half),
            most: mean(&account.most),
            all: mean(&account.all),
            direct_half: direct_curve[50].0,
            direct_most: direct_curve[99].0,
            direct_curve,
            origin_uplink: each(account.origin_sent_bytes),
            busiest_uplink: each(sent.iter().copied().max().unwrap_or(0)),
            state_bytes: self.state_bytes as u64,
            copies_by_seq: self.ledger.copies_by_seq(),
            curve: std::iter::once((Duration::ZERO, 0.0))
                .chain(curve)
                .collect(),
            sends: self.sends,
            trace: self.trace.finalize().to_hex().to_string(),
        }
    }

    /// When the direct way would have brought a payload to each percent of the nodes: the mean of all
    /// origins.
    fn direct_curve(&self) -> Vec<(Duration, f64)> {
        let speed = self.scenario.model.bits_per_second;
        let bits = f64::from(self.scenario.payload_bytes) * 8.0;
        let transfer = Duration::from_secs_f64(speed.map_or(0.0, |speed| bits / speed as f64));
        let mut sums = vec![Duration::ZERO; CURVE_POINTS];
        for origin in &self.origins {
            let others = (0..self.scenario.nodes).filter(|node| *node != origin.0);
            let mut times: Vec<Duration> = others
                .map(|node| self.latency(*origin, NodeIndex(node)) + transfer)
                .collect();
            times.sort_unstable();
            for (percent, sum) in sums.iter_mut().enumerate().skip(1) {
                *sum += quantile(&times, percent as f64 / 100.0);
            }
        }
        let shares = (0..CURVE_POINTS).map(|percent| percent as f64 / 100.0);
        let origins = self.origins.len() as u32;
        sums.iter().map(|sum| *sum / origins).zip(shares).collect()
    }
}

/// [`NEVER`] if one of them is.
fn mean(times: &[Duration]) -> Duration {
    if times.contains(&NEVER) {
        return NEVER;
    }
    let sum: Duration = times.iter().sum();
    sum.checked_div(times.len() as u32).unwrap_or_default()
}
