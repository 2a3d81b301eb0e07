//! How an engine is: what its shards count, and how their connections are, told in pages.
//!
//! ```text
//!   counters    one question to each shard, answered in one turn, whatever its peers
//!   peers_page  one question to one shard, answered in one turn: some of its peers, by id
//!   status      both: all pages of all shards, one after the other
//! ```
//!
//! A shard that copied ten thousand peers at once would carry nobody's messages meanwhile, for as long
//! as a scrape takes, every time that somebody looks.

use std::sync::Arc;

use ringwire_codec::NodeId;
use ringwire_core::conn::ConnectionStatus;
use ringwire_core::peer::{PeerInfo, ShardId};
use ringwire_sync::{ReplyFuture, block_on, reply};

use super::Handle;
use crate::shard::request::{Control, Mailbox, PEERS_PER_PAGE, ShardStatus};

/// How far somebody has come who looks at all peers, page by page. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeersCursor {
    shard: u16,
    /// The last id that was told; none at the beginning of the shard.
    after: Option<NodeId>,
}

impl PeersCursor {
    /// Behind a page of `len` peers: within the shard if it was full, else with the next shard.
    fn behind(self, last: Option<NodeId>, len: usize) -> Option<Self> {
        match last {
            Some(last) if len == PEERS_PER_PAGE => Some(PeersCursor {
                after: Some(last),
                ..self
            }),
            _ => Some(PeersCursor {
                shard: self.shard.checked_add(1)?,
                after: None,
            }),
        }
    }
}

/// Some of the peers of a shard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeersPage {
    /// Where they live.
    pub shard: ShardId,
    /// Who they are and how their connections are, by ascending id.
    pub peers: Vec<(PeerInfo, ConnectionStatus)>,
    /// Where to go on; none when these were the last.
    pub next: Option<PeersCursor>,
}

impl Handle {
    /// What each shard did so far, and how its connections are. A shard that is gone is missing.
    ///
    /// All peers are copied, a page in each of a shard's turns, so that ten thousand hold up none of
    /// them. Who wants figures of the node takes [`Handle::counters`]; who wants to keep few of many
    /// peers takes [`Handle::peers_page`].
    pub async fn status(&self) -> Vec<ShardStatus> {
        let mut shards = self.counters().await;
        let mut cursor = Some(PeersCursor::default());
        while let Some(from) = cursor {
            let page = self.peers_page(from).await;
            let shard = shards.iter_mut().find(|shard| shard.shard == page.shard);
            if let Some(shard) = shard {
                shard.peers.extend(page.peers);
            }
            cursor = page.next;
        }
        shards
    }

    /// [`Handle::status`] for plain threads.
    pub fn status_blocking(&self) -> Vec<ShardStatus> {
        block_on(self.status())
    }

    /// What each shard did so far, without its peers: `peers` is empty. So it costs the shards as
    /// little with ten thousand peers as with none, and can be asked often.
    pub async fn counters(&self) -> Vec<ShardStatus> {
        let asked: Vec<_> = self.node.mailboxes.iter().map(ask_counters).collect();
        let mut shards = Vec::new();
        for answer in asked {
            shards.extend(answer.await);
        }
        shards
    }

    /// [`Handle::counters`] for plain threads.
    pub fn counters_blocking(&self) -> Vec<ShardStatus> {
        block_on(self.counters())
    }

    /// The next peers and how their connections are: at most 256, of one shard, by ascending id. Who
    /// asks on with [`PeersPage::next`], beginning with the default, sees every peer that stays
    /// connected meanwhile, once. A shard that is gone has none.
    pub async fn peers_page(&self, from: PeersCursor) -> PeersPage {
        let shard = ShardId(from.shard);
        let (sender, answer) = reply();
        let mailbox = self.node.mailboxes.get(usize::from(from.shard));
        let peers = match mailbox {
            Some(mailbox) => {
                mailbox.ask(Control::Peers(from.after, sender));
                answer.await.unwrap_or_default()
            }
            None => Vec::new(),
        };
        let last = peers.last().map(|(info, _)| info.id);
        let next = from.behind(last, peers.len());
        PeersPage {
            shard,
            peers,
            next: next.filter(|next| usize::from(next.shard) < self.node.mailboxes.len()),
        }
    }

    /// [`Handle::peers_page`] for plain threads.
    pub fn peers_page_blocking(&self, from: PeersCursor) -> PeersPage {
        block_on(self.peers_page(from))
    }
}

/// Leaves a shard the question how it is.
fn ask_counters(mailbox: &Arc<Mailbox>) -> ReplyFuture<ShardStatus> {
    let (sender, answer) = reply();
    mailbox.ask(Control::Counters(sender));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_page_is_followed_by_another_of_its_shard_and_any_other_by_the_next_shard() {
        let last = NodeId::from_bytes([7; 20]);
        let cursor = |shard, after| Some(PeersCursor { shard, after });
        let from = PeersCursor::default();
        assert_eq!(
            from.behind(Some(last), PEERS_PER_PAGE),
            cursor(0, Some(last))
        );
        assert_eq!(from.behind(Some(last), PEERS_PER_PAGE - 1), cursor(1, None));
        let from = PeersCursor {
            shard: 3,
            after: Some(last),
        };
        assert_eq!(from.behind(None, 0), cursor(4, None));
        let at_the_end = PeersCursor {
            shard: u16::MAX,
            after: None,
        };
        assert_eq!(at_the_end.behind(None, 0), None);
    }
}
