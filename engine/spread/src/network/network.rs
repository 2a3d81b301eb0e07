//! [`Network`]: nodes, their lanes, and what happens next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use slab::Slab;

use super::lane::{Chunk, Lane, SEGMENT_BYTES};
use super::pipe::Pipe;
use super::window::Window;
use crate::machine::{LinkId, Message, NodeIndex};

/// What all links have in common.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Model {
    /// Speed of each node's uplink, and of its downlink. `None`: links are free, only distance costs time.
    pub bits_per_second: Option<u64>,
    /// Whether lanes begin as TCP does, with ten segments and twice as much after each round trip.
    pub slow_start: bool,
    /// How much longer than usual a chunk is under way at most, as a share of the distance. Never used by
    /// free links whose jitter is 0.
    pub jitter: f64,
    /// How far nodes are from each other, as a share of the way on the map: 0.001 puts all of them into one building.
    pub distance: f64,
}

impl Default for Model {
    /// 100 Mbit/s, the window open from the start, 5 % of jitter, the world as large as it is.
    fn default() -> Self {
        Model {
            bits_per_second: Some(100_000_000),
            slow_start: false,
            jitter: 0.05,
            distance: 1.0,
        }
    }
}

/// Something that the world has to tell somebody.
#[derive(Debug)]
pub enum Occurrence<M> {
    /// A message is there as a whole.
    Message {
        /// Who gets it.
        node: NodeIndex,
        /// The receiver's end of the link.
        link: LinkId,
        /// The message.
        message: M,
    },
    /// The moment has come that the node asked for.
    Timer(NodeIndex),
    /// The moment has come that the world asked for with [`Network::schedule`].
    Plan(u32),
}

/// Bytes that a node has sent and received, packet headers included.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Through the uplink.
    pub sent_bytes: u64,
    /// Through the downlink.
    pub received_bytes: u64,
    /// Of these, what is neither a message nor a part of one.
    pub received_header_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    UplinkFree(u32),
    Arrival { lane: u32, chunk: u32 },
    DownlinkFree { lane: u32, chunk: u32 },
    Ack { lane: u32 },
    Timer(u32),
    Plan(u32),
}

#[derive(Debug, Default)]
struct Node {
    uplink: Pipe,
    downlink: Pipe,
    /// When the last byte was read that had come by then.
    downlink_idle_since: u64,
    timer: Option<u64>,
    is_mute: bool,
    traffic: Traffic,
}

/// The network. Each call of [`Network::poll`] goes on to what happens next.
#[derive(Debug)]
pub struct Network<M> {
    model: Model,
    rng: fastrand::Rng,
    now: u64,
    /// By time; of one moment in the order in which they were foreseen.
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    foreseen: u64,
    nodes: Vec<Node>,
    lanes: Vec<Lane<M>>,
    chunks: Slab<Chunk<M>>,
    /// Messages of the chunk that came last, with the receiver's end of their link.
    ready: VecDeque<(u32, M)>,
}

impl<M: Message> Network<M> {
    /// A network of `nodes` nodes without links.
    pub fn new(model: Model, nodes: u32, rng: fastrand::Rng) -> Self {
        Network {
            model,
            rng,
            now: 0,
            events: BinaryHeap::new(),
            foreseen: 0,
            nodes: (0..nodes).map(|_| Node::default()).collect(),
            lanes: Vec::new(),
            chunks: Slab::new(),
            ready: VecDeque::new(),
        }
    }

    /// Time since the run began.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// Chance, from the run's seed.
    pub fn rng(&mut self) -> &mut fastrand::Rng {
        &mut self.rng
    }

    /// Links two nodes that are `latency` apart, one way. Returns each one's end.
    pub fn connect(&mut self, a: NodeIndex, b: NodeIndex, latency: Duration) -> (LinkId, LinkId) {
        let latency = nanos(latency);
        let first = u32::try_from(self.lanes.len()).expect("there are fewer than 2³² lanes");
        for (source, target, reverse) in [(a, b, first + 1), (b, a, first)] {
            let window = Window::new(self.model.slow_start, 2 * latency);
            self.lanes
                .push(Lane::new(source.0, target.0, reverse, latency, window));
        }
        (LinkId(first), LinkId(first + 1))
    }

    /// Cuts a link. What was under way on it is lost.
    pub fn disconnect(&mut self, link: LinkId) {
        let reverse = self.lanes[link.0 as usize].reverse;
        for lane in [link.0, reverse] {
            self.lanes[lane as usize].close();
        }
    }

    /// The other end of a link: who is there, and what they call it.
    pub fn other_end(&self, link: LinkId) -> (NodeIndex, LinkId) {
        let lane = &self.lanes[link.0 as usize];
        (NodeIndex(lane.target), LinkId(lane.reverse))
    }

    /// Lets nothing more of this node into the network, or lets it speak again. It still hears.
    pub fn set_mute(&mut self, node: NodeIndex, is_mute: bool) {
        self.nodes[node.0 as usize].is_mute = is_mute;
    }

    /// What the node has sent and received so far.
    pub fn traffic(&self, node: NodeIndex) -> Traffic {
        self.nodes[node.0 as usize].traffic
    }

    /// Asks for [`Occurrence::Plan`] with this number.
    pub fn schedule(&mut self, at: Duration, plan: u32) {
        self.foresee(nanos(at), Event::Plan(plan));
    }

    /// Asks for [`Occurrence::Timer`], unless an earlier one was asked for.
    pub fn wake_at(&mut self, node: NodeIndex, at: Duration) {
        let at = nanos(at).max(self.now);
        let timer = &mut self.nodes[node.0 as usize].timer;
        if timer.is_none_or(|set| at < set) {
            *timer = Some(at);
            self.foresee(at, Event::Timer(node.0));
        }
    }

    /// Forgets what the node asked for: it is gone.
    pub fn forget_timer(&mut self, node: NodeIndex) {
        self.nodes[node.0 as usize].timer = None;
    }

    /// Puts a message into a lane's queue.
    pub fn send(&mut self, link: LinkId, message: M) {
        let lane = &mut self.lanes[link.0 as usize];
        if !lane.is_open || self.nodes[lane.source as usize].is_mute {
            return;
        }
        lane.push(message);
        if self.model.bits_per_second.is_some() {
            self.offer(link.0);
            self.start_uplink(lane_source(&self.lanes, link.0));
        } else if let Some(chunk) = lane.next_chunk(u32::MAX) {
            self.launch(link.0, chunk, self.now);
        }
    }

    /// Takes back what waits in a lane's queue.
    pub fn cancel(&mut self, link: LinkId, unwanted: impl Fn(&M) -> bool) -> usize {
        self.lanes[link.0 as usize].cancel(unwanted)
    }

    /// How long the bytes that wait in these lanes' queues take to leave, all of one node.
    pub fn backlog(&self, links: &[LinkId]) -> Duration {
        let queued = links
            .iter()
            .map(|link| self.lanes[link.0 as usize].queued_bytes());
        let bits = queued.sum::<u64>() as f64 * 8.0;
        let speed = self.model.bits_per_second;
        Duration::from_secs_f64(speed.map_or(0.0, |speed| bits / speed as f64))
    }

    /// Messages in a lane's queue.
    pub fn queue_len(&self, link: LinkId) -> usize {
        self.lanes[link.0 as usize].queue_len()
    }

    /// Bytes that have come to the owner of this end over the link.
    pub fn received_bytes(&self, link: LinkId) -> u64 {
        let reverse = self.lanes[link.0 as usize].reverse;
        self.lanes[reverse as usize].arrived_bytes
    }

    /// Goes on to what happens next. `None` when nothing will.
    pub fn poll(&mut self) -> Option<Occurrence<M>> {
        loop {
            if let Some((link, message)) = self.ready.pop_front() {
                if !self.lanes[link as usize].is_open {
                    continue;
                }
                let node = NodeIndex(self.lanes[link as usize].source);
                let link = LinkId(link);
                return Some(Occurrence::Message {
                    node,
                    link,
                    message,
                });
            }
            let Reverse((at, _, event)) = self.events.pop()?;
            debug_assert!(at >= self.now, "time does not run backwards");
            self.now = at;
            match event {
                Event::UplinkFree(node) => self.handle_uplink_free(node),
                Event::Arrival { lane, chunk } => self.handle_arrival(lane, chunk),
                Event::DownlinkFree { lane, chunk } => self.handle_downlink_free(lane, chunk),
                Event::Ack { lane } => self.handle_ack(lane),
                Event::Timer(node) => {
                    let timer = &mut self.nodes[node as usize].timer;
                    if timer.take_if(|set| *set == at).is_some() {
                        return Some(Occurrence::Timer(NodeIndex(node)));
                    }
                }
                Event::Plan(plan) => return Some(Occurrence::Plan(plan)),
            }
        }
    }

    /// Lets the lane wait for its turn, if it has something to send and may.
    fn offer(&mut self, index: u32) {
        let lane = &mut self.lanes[index as usize];
        if lane.waits || lane.is_empty() {
            return;
        }
        if lane.window.is_open(self.now) {
            lane.waits = true;
            let source = lane.source;
            self.nodes[source as usize].uplink.wait(index);
        } else if !lane.wakes
            && let Some(at) = lane.window.next_ack()
        {
            lane.wakes = true;
            self.foresee(at, Event::Ack { lane: index });
        }
    }

    fn start_uplink(&mut self, node: u32) {
        while let Some(index) = self.nodes[node as usize].uplink.take_turn() {
            let lane = &mut self.lanes[index as usize];
            lane.waits = false;
            let Some(chunk) = lane.take_turn(self.now) else {
                self.nodes[node as usize].uplink.end_turn();
                continue;
            };
            lane.window.handle_sent(self.now, chunk.wire_bytes);
            let left_at = self.now + self.transfer_nanos(chunk.wire_bytes);
            self.foresee(left_at, Event::UplinkFree(node));
            self.launch(index, chunk, left_at);
            self.offer(index);
            return;
        }
    }

    /// The chunk's last byte leaves at `left_at`.
    fn launch(&mut self, index: u32, chunk: Chunk<M>, left_at: u64) {
        let unit = if self.model.jitter > 0.0 {
            self.rng.f64()
        } else {
            0.0
        };
        let lane = &mut self.lanes[index as usize];
        let jitter = lane.latency_nanos as f64 * self.model.jitter * unit;
        let arrival = lane
            .last_arrival
            .max(left_at + lane.latency_nanos + jitter as u64);
        lane.last_arrival = arrival;
        self.nodes[lane.source as usize].traffic.sent_bytes += u64::from(chunk.wire_bytes);
        let chunk = u32::try_from(self.chunks.insert(chunk)).expect("fewer than 2³² chunks");
        self.foresee(arrival, Event::Arrival { lane: index, chunk });
    }

    fn handle_uplink_free(&mut self, node: u32) {
        self.nodes[node as usize].uplink.end_turn();
        self.start_uplink(node);
    }

    fn handle_arrival(&mut self, index: u32, chunk: u32) {
        if self.model.bits_per_second.is_none() {
            return self.hand_over(index, chunk);
        }
        let lane = &mut self.lanes[index as usize];
        lane.arrived.push_back(chunk);
        let target = lane.target;
        if lane.arrived.len() == 1 {
            self.nodes[target as usize].downlink.wait(index);
        }
        self.start_downlink(target);
    }

    fn start_downlink(&mut self, node: u32) {
        let Some(lane) = self.nodes[node as usize].downlink.take_turn() else {
            return;
        };
        let chunk = *self.lanes[lane as usize]
            .arrived
            .front()
            .expect("a lane waits for its turn while a chunk waits on it");
        // Where the downlink was idle, a chunk was read as it came: only its last segment is left.
        let bytes = self.chunks[chunk as usize].wire_bytes;
        let last = self.now + self.transfer_nanos(bytes.min(SEGMENT_BYTES));
        let idle_since = self.nodes[node as usize].downlink_idle_since;
        let read_at = last.max(idle_since + self.transfer_nanos(bytes));
        self.nodes[node as usize].downlink_idle_since = read_at;
        self.foresee(read_at, Event::DownlinkFree { lane, chunk });
    }

    fn handle_downlink_free(&mut self, index: u32, chunk: u32) {
        let lane = &mut self.lanes[index as usize];
        let target = lane.target;
        lane.arrived.pop_front();
        let downlink = &mut self.nodes[target as usize].downlink;
        downlink.end_turn();
        if !lane.arrived.is_empty() {
            downlink.wait(index);
        }
        let acked_at = self.now + lane.latency_nanos;
        lane.window
            .handle_ack(acked_at, self.chunks[chunk as usize].wire_bytes);
        self.hand_over(index, chunk);
        // A lane whose window was full learns now when it will have room.
        self.offer(index);
        self.start_downlink(target);
    }

    fn handle_ack(&mut self, index: u32) {
        self.lanes[index as usize].wakes = false;
        self.offer(index);
        self.start_uplink(lane_source(&self.lanes, index));
    }

    /// The chunk is at the other end.
    fn hand_over(&mut self, index: u32, chunk: u32) {
        let chunk = self.chunks.remove(chunk as usize);
        let lane = &mut self.lanes[index as usize];
        lane.arrived_bytes += u64::from(chunk.wire_bytes);
        let traffic = &mut self.nodes[lane.target as usize].traffic;
        traffic.received_bytes += u64::from(chunk.wire_bytes);
        traffic.received_header_bytes += u64::from(chunk.header_bytes);
        if lane.is_open {
            let reverse = lane.reverse;
            self.ready
                .extend(chunk.messages.into_iter().map(|message| (reverse, message)));
        }
    }

    fn transfer_nanos(&self, bytes: u32) -> u64 {
        let speed = self.model.bits_per_second;
        speed.map_or(0, |speed| u64::from(bytes) * 8_000_000_000 / speed)
    }

    fn foresee(&mut self, at: u64, event: Event) {
        self.foreseen += 1;
        self.events.push(Reverse((at, self.foreseen, event)));
    }
}

fn lane_source<M>(lanes: &[Lane<M>], lane: u32) -> u32 {
    lanes[lane as usize].source
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a run ends within 584 years")
}
