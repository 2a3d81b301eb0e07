//! What an operator orders of a running node, and how it is carried out.
//!
//! ```text
//!   {"order":{"ban":{"target":"198.51.100.7","seconds":3600}}}  ─▶  {"done":"banned …"}  or {"error":"…"}
//! ```
//!
//! An order is confirmed when the engine has done it, not when it was heard. So one to dial takes as
//! long as the dial, and is carried out on a thread of its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ringwire::Handle;
use ringwire::peer::BanTarget;
use ringwire_codec::{NetAddress, NodeId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::named;
use crate::logging;

/// Digits of an id that are enough to name a peer that is connected.
const ID_DIGITS_MIN: usize = 4;

/// The longest ban: a hundred years.
const BAN_SECONDS_MAX: f64 = 100.0 * 365.25 * 86_400.0;

/// Orders that are carried out at the same time at most.
const UNDER_WAY_MAX: usize = 8;

/// One order, as it stands in a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Order {
    /// Connect to a node.
    Dial {
        /// Whom.
        address: NetAddress,
        /// Whether to keep it connected for good.
        persistent: bool,
    },
    /// Hang up on a peer.
    Drop {
        /// Its id, or the beginning of it.
        peer: String,
    },
    /// Refuse a node or a host, in both directions.
    Ban {
        /// An id, the beginning of a connected peer's, or an IP address.
        target: String,
        /// For how long.
        seconds: f64,
    },
    /// End the bans of a node or a host.
    Unban {
        /// As of `ban`, but an id in full.
        target: String,
    },
    /// Tell the bans that hold.
    Bans {},
    /// Log more or less from now on.
    Log {
        /// As of `--log`.
        filter: String,
    },
}

/// Whoever carries out orders; clones share how many are under way.
#[derive(Clone)]
pub(super) struct Foreman {
    handle: Handle,
    under_way: Arc<AtomicUsize>,
}

/// A place among the orders under way; given back when dropped.
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Foreman {
    /// One for a running node.
    pub(super) fn new(handle: Handle) -> Self {
        Foreman {
            handle,
            under_way: Arc::default(),
        }
    }

    /// A place for one more order; none if too many are under way.
    pub(super) fn admit(&self) -> Option<Place> {
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&self.under_way));
        (before < UNDER_WAY_MAX).then_some(place)
    }

    /// Carries out an order and answers.
    pub(super) fn carry_out(&self, order: Order) -> Value {
        match self.attempt(order) {
            Ok(done) => done,
            Err(error) => json!({ "error": error }),
        }
    }

    fn attempt(&self, order: Order) -> Result<Value, String> {
        match order {
            Order::Dial {
                address,
                persistent,
            } => self.dial(address, persistent),
            Order::Drop { peer } => {
                let id = self.connected(&peer)?;
                match self.handle.stop_peer(id) {
                    true => Ok(done(format!("hung up on {id}"))),
                    false => Err(format!("{id} is not connected")),
                }
            }
            Order::Ban { target, seconds } => self.ban(&target, seconds),
            Order::Unban { target } => {
                let target = whole_target(&target).ok_or(format!(
                    "{target} is neither an id of 40 digits nor an IP address"
                ))?;
                match self.handle.unban_blocking(target) {
                    true => Ok(done(format!("{target} is no longer banned"))),
                    false => Err(format!("{target} was not banned")),
                }
            }
            Order::Bans {} => Ok(json!({ "done": "", "bans": named::bans(&self.handle) })),
            Order::Log { filter } => {
                logging::set_filter(&filter)?;
                Ok(done(format!("logs {filter} from now on")))
            }
        }
    }

    fn dial(&self, address: NetAddress, persistent: bool) -> Result<Value, String> {
        let dialed = match persistent {
            true => self.handle.dial_persistent_blocking(address.clone()),
            false => self.handle.dial_blocking(address.clone()),
        };
        match (dialed, persistent) {
            (Ok(id), _) => Ok(done(format!("connected to {id}"))),
            // It stays on the list all the same.
            (Err(error), true) => Ok(done(format!(
                "{address} is a persistent peer from now on; the first dial failed: {error}"
            ))),
            (Err(error), false) => Err(format!("{address}: {error}")),
        }
    }

    fn ban(&self, target: &str, seconds: f64) -> Result<Value, String> {
        if !(seconds > 0.0 && seconds <= BAN_SECONDS_MAX) {
            return Err(format!(
                "a ban takes more than 0 and at most {BAN_SECONDS_MAX} seconds"
            ));
        }
        let target = match whole_target(target) {
            Some(target) => target,
            None => BanTarget::Id(self.connected(target)?),
        };
        self.handle.ban(target, Duration::from_secs_f64(seconds));
        // The coordinator answers in the order in which it was asked.
        let holds = self.handle.bans_blocking();
        match holds.iter().find(|ban| is_same(ban.target, target)) {
            Some(ban) => Ok(done(format!("banned {ban}"))),
            None => Err(String::from("the node is stopping")),
        }
    }

    /// The connected peer whose id begins so.
    fn connected(&self, beginning: &str) -> Result<NodeId, String> {
        let peers = self.handle.peers();
        let ids = peers.iter().map(|peer| peer.id);
        one_that_begins(ids, beginning)
    }
}

fn done(words: String) -> Value {
    json!({ "done": words })
}

/// An id of forty digits, or an IP address.
fn whole_target(text: &str) -> Option<BanTarget> {
    if let Ok(id) = text.parse::<NodeId>() {
        return Some(BanTarget::Id(id));
    }
    text.parse::<IpAddr>().ok().map(BanTarget::Ip)
}

/// Whether both name the same node or host; hosts are kept as what is banned, a /64 of IPv6.
fn is_same(held: BanTarget, asked: BanTarget) -> bool {
    match (held, asked) {
        (BanTarget::Id(held), BanTarget::Id(asked)) => held == asked,
        (BanTarget::Ip(held), BanTarget::Ip(asked)) => {
            match (held.to_canonical(), asked.to_canonical()) {
                (IpAddr::V6(held), IpAddr::V6(asked)) => {
                    held.segments()[..4] == asked.segments()[..4]
                }
                (held, asked) => held == asked,
            }
        }
        _ => false,
    }
}

fn one_that_begins(ids: impl Iterator<Item = NodeId>, beginning: &str) -> Result<NodeId, String> {
    let beginning = beginning.to_lowercase();
    let is_hex = beginning.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || beginning.len() < ID_DIGITS_MIN {
        return Err(format!(
            "{beginning:?} is no id: at least {ID_DIGITS_MIN} of its hexadecimal digits are needed"
        ));
    }
    let mut found = ids.filter(|id| id.to_string().starts_with(&beginning));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(format!("more than one peer's id begins with {beginning}")),
        (None, _) => Err(format!(
            "no peer is connected whose id begins with {beginning}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8, second: u8) -> NodeId {
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&[first, second]);
        NodeId::from_bytes(bytes)
    }

    #[test]
    fn the_beginning_of_an_id_is_enough_if_it_is_one_peers() {
        let ids = || [id(0xab, 0x01), id(0xab, 0x02)].into_iter();
        assert_eq!(one_that_begins(ids(), "AB01"), Ok(id(0xab, 0x01)));
        let told = |beginning| one_that_begins(ids(), beginning).expect_err("not one peer's");
        assert!(told("ab0").contains("at least 4"));
        assert!(told("ab03").contains("no peer is connected"));
        assert!(told("xyz1").contains("is no id"));
        let twins = [id(0xab, 0x01); 2].into_iter();
        assert!(one_that_begins(twins, "ab01").is_err());
    }

    #[test]
    fn orders_read_as_they_are_written_and_no_others() {
        let order = Order::Ban {
            target: String::from("198.51.100.7"),
            seconds: 60.0,
        };
        let text = serde_json::to_string(&order).expect("plain values");
        assert_eq!(text, r#"{"ban":{"target":"198.51.100.7","seconds":60.0}}"#);
        assert_eq!(
            serde_json::from_str::<Order>(&text).expect("an order"),
            order
        );
        for wrong in [
            r#"{"ban":{"target":"x"}}"#,
            r#"{"shout":{}}"#,
            r#"{"bans":{"x":1}}"#,
        ] {
            assert!(serde_json::from_str::<Order>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_of_ipv6_is_its_net() {
        let ip = |text: &str| BanTarget::Ip(text.parse().expect("an address"));
        assert!(is_same(ip("2001:db8::"), ip("2001:db8::7")));
        assert!(!is_same(ip("2001:db8:0:1::"), ip("2001:db8::7")));
        assert!(is_same(ip("192.0.2.1"), ip("::ffff:192.0.2.1")));
    }
}
