//! A peer that behaves as a CometBFT node does and minds what one would punish (docs/quirks.md, 8.1
//! of the reference): the first violation is written down, and the test fails. An eager one asks as
//! versions before 0.38.17 may, which an answer of a seed wakes: again as soon as it has an answer.
//!
//! The rules of one connection:
//!
//! 1. a message is a request or an answer, at most 64 000 bytes long;
//! 2. two requests are ten seconds apart (CometBFT lets the second come early; nobody should need
//!    it);
//! 3. an answer follows a request, one for one;
//! 4. an answer has at most 250 addresses, each with an id, an IP that can be a node's, and a port.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::pex::{PEX_ADDRESSES_MAX, PEX_BYTES_MAX, PEX_CHANNEL};
use ringwire_codec::{NetAddress, NodeId, PexMessage};
use ringwire_core::error::CloseReason;
use ringwire_core::peer::{PeerInfo, PeerKey};
use ringwire_core::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire_core::time::Instant;

/// CometBFT's `minReceiveRequestInterval`.
const REQUEST_PAUSE: Duration = Duration::from_secs(10);
/// CometBFT's `defaultEnsurePeersPeriod`.
const INTERVAL: Duration = Duration::from_secs(30);
/// From an answer to the next request of an eager peer.
const EAGER_PAUSE: Duration = Duration::from_millis(100);

/// The timer of the look, and of an eager peer's next request.
const LOOK: u64 = 0;
const ASK_ALL: u64 = 1;

/// What strict peers saw.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Broken rules, in order.
    pub(crate) violations: Vec<String>,
    /// Requests heard.
    pub(crate) requests: usize,
    /// Answers heard.
    pub(crate) answers: usize,
}

#[derive(Default)]
struct Talk {
    heard_request_at: Option<Instant>,
    asked: usize,
    /// When we have asked last; we keep the rules ourselves.
    asked_at: Option<Instant>,
}

/// A strict peer.
pub(crate) struct Strict {
    report: Rc<RefCell<Report>>,
    /// What it answers: its neighbours' addresses.
    known: Vec<NetAddress>,
    is_eager: bool,
    talks: BTreeMap<PeerKey, (NodeId, Talk)>,
}

impl Strict {
    /// A strict peer that knows these nodes.
    pub(crate) fn new(report: &Rc<RefCell<Report>>, known: Vec<NetAddress>) -> Self {
        Strict {
            report: Rc::clone(report),
            known,
            is_eager: false,
            talks: BTreeMap::new(),
        }
    }

    /// The same, asking again as soon as it is answered.
    pub(crate) fn eager(report: &Rc<RefCell<Report>>, known: Vec<NetAddress>) -> Self {
        Strict {
            is_eager: true,
            ..Strict::new(report, known)
        }
    }

    /// Asks every peer that owes no answer and was not asked within `pause`.
    fn ask_all(&mut self, cx: &mut Context<'_, Self>, pause: Duration) {
        for (key, (_, talk)) in &mut self.talks {
            let is_due = talk.asked_at.is_none_or(|last| cx.now() - last >= pause);
            if is_due && talk.asked == 0 {
                talk.asked_at = Some(cx.now());
                talk.asked += 1;
                send(cx, *key, &PexMessage::Request);
            }
        }
    }

    fn object(&self, cx: &Context<'_, Self>, peer: &PeerInfo, violation: &str) {
        let violation = format!("{:?}: {} {violation}", cx.now(), peer.id);
        self.report.borrow_mut().violations.push(violation);
    }

    fn handle_request(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo) {
        self.report.borrow_mut().requests += 1;
        let (_, talk) = self.talks.get_mut(&peer.key).expect("it was added");
        let last = talk.heard_request_at.replace(cx.now());
        if last.is_some_and(|last| cx.now() - last < REQUEST_PAUSE) {
            self.object(cx, peer, "asks again within ten seconds");
        }
        send(cx, peer.key, &PexMessage::Addrs(self.known.clone()));
    }

    fn handle_answer(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: &PeerInfo,
        addresses: &[NetAddress],
    ) {
        self.report.borrow_mut().answers += 1;
        let (_, talk) = self.talks.get_mut(&peer.key).expect("it was added");
        match talk.asked.checked_sub(1) {
            Some(left) => talk.asked = left,
            None => self.object(cx, peer, "tells addresses unasked"),
        }
        if self.is_eager {
            cx.set_timer(EAGER_PAUSE, ASK_ALL);
        }
        if addresses.len() > PEX_ADDRESSES_MAX {
            self.object(cx, peer, "tells more than 250 addresses");
        }
        for address in addresses {
            if !address.is_valid() || address.port == 0 {
                self.object(cx, peer, "tells an address that is none");
            }
        }
    }
}

fn send(cx: &mut Context<'_, Strict>, to: PeerKey, message: &PexMessage) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    // A full queue, or a peer that is just leaving, is no matter here.
    let _ = cx.try_send(to, PEX_CHANNEL, Bytes::from(bytes));
}

impl Reactor for Strict {
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
        cx.set_timer(INTERVAL, LOOK);
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, _: &mut ()) {
        self.talks.insert(peer.key, (peer.id, Talk::default()));
        if self.is_eager {
            self.ask_all(cx, Duration::ZERO);
        }
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        let Envelope { from, message, .. } = envelope;
        match PexMessage::decode(&message) {
            Ok(PexMessage::Request) => self.handle_request(cx, from),
            Ok(PexMessage::Addrs(addresses)) => self.handle_answer(cx, from, &addresses),
            Err(error) => self.object(cx, from, &format!("cannot be understood: {error}")),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, token: u64) {
        match token {
            LOOK => {
                cx.set_timer(INTERVAL, LOOK);
                self.ask_all(cx, INTERVAL);
            }
            _ => self.ask_all(cx, Duration::ZERO),
        }
    }

    fn remove_peer(
        &mut self,
        _cx: &mut Context<'_, Self>,
        peer: &PeerInfo,
        (): (),
        _reason: &CloseReason,
    ) {
        self.talks.remove(&peer.key);
    }
}
