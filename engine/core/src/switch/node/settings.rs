//! What the node goes by as it is now, and who waits for all shards to go by it (coordinator only).
//!
//! A change is decided here, once for the whole node, and told to every shard. It is confirmed when the
//! last of them has taken it over: from then on no shard knows the earlier value.
//!
//! ```text
//!   change ─▶ next configuration, its rules ─▶ refused, or
//!                 └─▶ Reconfigure(number) ─▶ shard 0, 1, 2 … ─▶ Reconfigured(number) ─▶ confirmed
//! ```
//!
//! Invariant: who waits is answered once. Bounded by those who ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringwire_codec::NodeId;

use crate::config::{Change, Config, ConfigError, Difference};
use crate::switch::io::ReplyToken;

/// The node's settings.
#[derive(Debug)]
pub(crate) struct Settings {
    config: Arc<Config>,
    /// Changes that some shard has not taken over yet, by number.
    under_way: BTreeMap<u64, UnderWay>,
    next_number: u64,
}

#[derive(Debug)]
struct UnderWay {
    /// Shards that have not confirmed.
    missing: u16,
    token: Option<ReplyToken>,
    differences: Vec<Difference>,
}

impl Settings {
    /// The settings of a node that starts.
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Settings {
            config,
            under_way: BTreeMap::new(),
            next_number: 0,
        }
    }

    /// The configuration that the node goes by. A shard may lag behind it by a message.
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Changes that some shard has not taken over yet.
    pub(crate) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Makes changes, all or none; returns the settings that are others now.
    ///
    /// # Errors
    /// A rule that would be broken, or `node` itself as the one to connect to.
    pub(crate) fn change(
        &mut self,
        node: NodeId,
        changes: &[Change],
    ) -> Result<Vec<Difference>, ConfigError> {
        let mut next = Config::clone(&self.config);
        for change in changes {
            if let Some((key, _)) = change.named().filter(|(_, id)| *id == node) {
                let problem = "this is the node itself: give another node's address";
                return Err(ConfigError::new(key, problem));
            }
            change.make(&mut next);
        }
        next.check()?;
        let differences = self.config.differences(&next);
        if !differences.is_empty() {
            self.config = Arc::new(next);
        }
        Ok(differences)
    }

    /// Shards are told of the newest change; `token` waits until all of them have taken it over.
    /// Returns the number of the change.
    pub(crate) fn expect(
        &mut self,
        shard_count: u16,
        token: Option<ReplyToken>,
        differences: Vec<Difference>,
    ) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let under_way = UnderWay {
            missing: shard_count,
            token,
            differences,
        };
        self.under_way.insert(number, under_way);
        number
    }

    /// A shard has taken a change over. Returns who waited, if it was the last one.
    pub(crate) fn handle_confirmed(
        &mut self,
        number: u64,
    ) -> Option<(ReplyToken, Vec<Difference>)> {
        let under_way = self.under_way.get_mut(&number)?;
        under_way.missing -= 1;
        if under_way.missing > 0 {
            return None;
        }
        let done = self.under_way.remove(&number)?;
        Some((done.token?, done.differences))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Effect;

    fn settings() -> Settings {
        Settings::new(Arc::new(Config::default()))
    }

    fn id(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 20])
    }

    #[test]
    fn a_change_is_made_whole_or_not_at_all() {
        let mut settings = settings();
        let too_many = crate::config::PEERS_MAX + 1;
        let changes = [Change::SendRate(7), Change::MaxInboundPeers(too_many)];
        let refused = settings.change(id(0), &changes).expect_err("too many");
        assert_eq!(refused.key, "p2p.max_num_inbound_peers");
        assert_eq!(**settings.config(), Config::default());

        let changes = [Change::SendRate(7), Change::MaxInboundPeers(too_many - 1)];
        let changed = settings.change(id(0), &changes).expect("no rule is broken");
        let keys: Vec<_> = changed.iter().map(|it| (it.key, it.effect)).collect();
        let expected = [
            ("p2p.max_num_inbound_peers", Effect::AtOnce),
            ("p2p.send_rate", Effect::AtOnce),
        ];
        assert_eq!(keys, expected);
        let again = settings.change(id(0), &changes).expect("no rule is broken");
        assert_eq!(again, [], "it was so already");
    }

    #[test]
    fn the_node_itself_is_nobody_to_connect_to() {
        let mut settings = settings();
        let ourselves: ringwire_codec::NetAddress =
            format!("{}@10.0.0.1:1", id(0)).parse().expect("an address");
        for (change, key) in [
            (
                Change::AddPersistentPeer(ourselves.clone()),
                "p2p.persistent_peers",
            ),
            (Change::AddSeed(ourselves), "p2p.seeds"),
        ] {
            let refused = settings.change(id(0), std::slice::from_ref(&change));
            assert_eq!(refused.expect_err("ourselves").key, key);
            assert!(settings.change(id(1), &[change]).is_ok());
        }
    }

    #[test]
    fn who_waits_is_answered_by_the_last_shard_and_only_once() {
        let mut settings = settings();
        let (first, second) = (ReplyToken(1), ReplyToken(2));
        let one = settings.expect(2, Some(first), Vec::new());
        let other = settings.expect(1, Some(second), Vec::new());
        let silent = settings.expect(1, None, Vec::new());
        assert_eq!(settings.handle_confirmed(one), None);
        assert_eq!(settings.handle_confirmed(other), Some((second, Vec::new())));
        assert_eq!(settings.handle_confirmed(one), Some((first, Vec::new())));
        assert_eq!(settings.handle_confirmed(one), None);
        assert_eq!(settings.handle_confirmed(silent), None);
        assert_eq!(settings.len(), 0);
    }
}
