//! [`Cat`]: a node.

use std::time::Duration;

use super::accounts::Accounts;
use super::message::CatMessage;
use super::requests::{Requests, Wants};
use crate::contenders::links::Links;
use crate::contenders::seen::Seen;
use crate::machine::{Context, LinkId, Machine, NodeIndex, Payload};

/// Peers that hear of a transaction.
const TOLD_MAX: usize = 15;

type Here<'a> = Context<'a, CatMessage>;

/// A node with Celestia's mempool.
#[derive(Debug)]
pub struct Cat {
    /// Makes the order of peers this node's own.
    salt: u64,
    peers: Links<NodeIndex>,
    accounts: Accounts,
    requests: Requests,
    /// Transactions that are there and checked.
    pool: Seen,
}

impl Cat {
    /// A node without links.
    pub fn new(salt: u64) -> Self {
        Cat {
            salt,
            peers: Links::default(),
            accounts: Accounts::default(),
            requests: Requests::default(),
            pool: Seen::default(),
        }
    }

    /// The links that hear of a signer's transactions, always the same ones while no peer comes or goes.
    fn sticky(&self, signer: NodeIndex) -> Vec<LinkId> {
        let rank = |peer: NodeIndex| {
            let pair = (u64::from(signer.0) << 32) | u64::from(peer.0);
            fastrand::Rng::with_seed(self.salt ^ pair).u64(..)
        };
        let mut ranked: Vec<(u64, LinkId)> = self
            .peers
            .iter()
            .map(|(link, peer)| (rank(*peer), link))
            .collect();
        ranked.sort_unstable();
        let links = ranked.into_iter().take(TOLD_MAX);
        links.map(|(_, link)| link).collect()
    }

    /// The transaction is there and in order.
    fn admit(&mut self, context: &mut Here<'_>, tx: Payload, holders: &[LinkId]) {
        self.accounts.advance(&tx);
        self.pool.insert(tx.id);
        for link in self.sticky(tx.origin) {
            if !holders.contains(&link) {
                context.send(link, CatMessage::Seen(tx));
            }
        }
    }

    fn handle_seen(&mut self, context: &mut Here<'_>, link: LinkId, tx: Payload) {
        let next = self.accounts.next(&tx);
        if self.pool.contains(tx.id) || tx.seq < next {
            return;
        }
        self.requests.handle_seen(link, tx);
        let wants = self.requests.ask_for(context.now(), tx.origin.0, next);
        self.ask(context, wants);
    }

    fn handle_tx(&mut self, context: &mut Here<'_>, link: LinkId, tx: &Payload) {
        let was_full = self.requests.is_full(link);
        if self.requests.handle_tx(link, tx) {
            let signer = tx.origin.0;
            let mut next = self.accounts.next(tx);
            while let Some((tx, holders)) = self.requests.take(signer, next) {
                context.deliver(tx.id);
                self.admit(context, tx, &holders);
                next += 1;
            }
            let wants = self.requests.ask_for(context.now(), signer, next);
            self.ask(context, wants);
        }
        if was_full {
            self.ask_for_all(context);
        }
    }

    fn ask_for_all(&mut self, context: &mut Here<'_>) {
        let wants = self.requests.ask_for_all(context.now(), &self.accounts);
        self.ask(context, wants);
    }

    fn ask(&self, context: &mut Here<'_>, wants: Wants) {
        for (link, tx) in wants {
            context.send(link, CatMessage::Want(tx));
        }
        if let Some(at) = self.requests.deadline() {
            context.wake_at(at);
        }
    }
}

impl Machine for Cat {
    type Message = CatMessage;

    fn handle_link_up(
        &mut self,
        context: &mut Here<'_>,
        link: LinkId,
        peer: NodeIndex,
        _outbound: bool,
        _rtt: Duration,
    ) {
        self.accounts.from_start |= context.now().is_zero();
        self.peers.push(link, peer);
        self.requests.add_link(link);
    }

    fn handle_link_down(&mut self, context: &mut Here<'_>, link: LinkId) {
        self.peers.remove(link);
        self.requests.remove_link(link);
        self.ask_for_all(context);
    }

    fn handle_message(&mut self, context: &mut Here<'_>, link: LinkId, message: CatMessage) {
        match message {
            CatMessage::Seen(tx) => self.handle_seen(context, link, tx),
            CatMessage::Want(tx) => {
                if self.pool.contains(tx.id) {
                    context.send(link, CatMessage::Tx(tx));
                }
            }
            CatMessage::Tx(tx) => self.handle_tx(context, link, &tx),
        }
    }

    fn publish(&mut self, context: &mut Here<'_>, payload: Payload) {
        self.admit(context, payload, &[]);
    }

    fn handle_timer(&mut self, context: &mut Here<'_>) {
        if self.requests.expire(context.now()) {
            self.ask_for_all(context);
        }
        if let Some(at) = self.requests.deadline() {
            context.wake_at(at);
        }
    }

    fn state_bytes(&self) -> usize {
        // A key for each transaction in the pool; one with signer, sequence and holders for each that is missed; a
        // sequence for each signer; a count for each peer.
        let (pool, missed) = (self.pool.len() * 32, self.requests.len() * 120);
        pool + missed + self.accounts.len() * 28 + self.peers.len() * 8
    }
}
