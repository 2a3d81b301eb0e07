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

use super::beginnings::one_that_begins;
use super::changes::{self, Edit, List};
use super::named;
use crate::logging;
use crate::reload::{self, Reloader};

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
    /// Change whom the node keeps connected.
    PersistentPeers(Edit),
    /// Change whom it asks for addresses.
    Seeds(Edit),
    /// Change whose address it tells to nobody.
    PrivatePeerIds(Edit),
    /// Change who passes its limits.
    UnconditionalPeerIds(Edit),
    /// Set limits of peers; one that is left out stays.
    Limits {
        /// Peers that dialed us, at most.
        #[serde(skip_serializing_if = "Option::is_none")]
        inbound: Option<usize>,
        /// Peers that discovery dials, at most.
        #[serde(skip_serializing_if = "Option::is_none")]
        outbound: Option<usize>,
    },
    /// Set rates in bytes per second, 0 for none; one that is left out stays.
    Rates {
        /// To each peer.
        #[serde(skip_serializing_if = "Option::is_none")]
        send: Option<u64>,
        /// From each peer.
        #[serde(skip_serializing_if = "Option::is_none")]
        recv: Option<u64>,
    },
    /// Read the configuration again.
    Reload {},
    /// Tell every setting as it is in force, and where it came from.
    Config {},
}

/// Whoever carries out orders; clones share how many are under way.
#[derive(Clone)]
pub(super) struct Foreman {
    handle: Handle,
    reloader: Reloader,
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
    pub(super) fn new(handle: Handle, reloader: Reloader) -> Self {
        Foreman {
            handle,
            reloader,
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
            Order::Log { filter } if filter.trim().is_empty() => Err(String::from(
                "an empty filter says nothing: take a level, or off to log nothing",
            )),
            Order::Log { filter } => {
                logging::set_filter(&filter)?;
                Ok(done(format!("logs {filter} from now on")))
            }
            Order::PersistentPeers(edit) => self.edit(List::PersistentPeers, &edit),
            Order::Seeds(edit) => self.edit(List::Seeds, &edit),
            Order::PrivatePeerIds(edit) => self.edit(List::PrivateIds, &edit),
            Order::UnconditionalPeerIds(edit) => self.edit(List::UnconditionalIds, &edit),
            Order::Limits { inbound, outbound } => changes::limits(&self.handle, inbound, outbound),
            Order::Rates { send, recv } => changes::rates(&self.handle, send, recv),
            Order::Reload {} => {
                let reloaded = self.reloader.reload().map_err(|fault| fault.to_string())?;
                Ok(reloaded.answer())
            }
            Order::Config {} => {
                let rows = self.reloader.in_force();
                let rows = rows.map_err(|fault| fault.to_string())?;
                let home = self.reloader.home().root().display().to_string();
                Ok(json!({ "done": "", "home": home, "config": reload::to_json(&rows) }))
            }
        }
    }

    fn edit(&self, list: List, edit: &Edit) -> Result<Value, String> {
        changes::edit(&self.handle, list, edit)
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
            // The beginning of an id, and nothing that was meant to be an address.
            None if target.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                BanTarget::Id(self.connected(target)?)
            }
            None => {
                return Err(format!(
                    "{target:?} is neither an id, or the beginning of a connected peer's, nor an IP \
                     address: names and subnets cannot be banned"
                ));
            }
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
        one_that_begins(ids, beginning, "peer that is connected")
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

#[cfg(test)]
mod tests {
    use super::*;

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
            r#"{"seeds":{"shout":"x"}}"#,
            r#"{"limits":{"inbound":-1}}"#,
        ] {
            assert!(serde_json::from_str::<Order>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_limit_that_is_left_out_stays() {
        let order = Order::Limits {
            inbound: Some(7),
            outbound: None,
        };
        let text = serde_json::to_string(&order).expect("plain values");
        assert_eq!(text, r#"{"limits":{"inbound":7}}"#);
        assert_eq!(
            serde_json::from_str::<Order>(&text).expect("an order"),
            order
        );
        let order = Order::Seeds(Edit::Remove(String::from("ab01")));
        let text = serde_json::to_string(&order).expect("plain values");
        assert_eq!(text, r#"{"seeds":{"remove":"ab01"}}"#);
    }

    #[test]
    fn a_host_of_ipv6_is_its_net() {
        let ip = |text: &str| BanTarget::Ip(text.parse().expect("an address"));
        assert!(is_same(ip("2001:db8::"), ip("2001:db8::7")));
        assert!(!is_same(ip("2001:db8:0:1::"), ip("2001:db8::7")));
        assert!(is_same(ip("192.0.2.1"), ip("::ffff:192.0.2.1")));
    }
}
