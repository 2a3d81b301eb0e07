//! What a shard writes into the log: each decision once, where the shell learns of it. The way of
//! a message is silent.

use ringwire_core::error::Blame;
use ringwire_core::peer::{Direction, Framing, ShardId};
use ringwire_core::switch::Event;
use tracing::{debug, info, warn};

/// Logs what the switch of `shard` decided.
pub(crate) fn record(engine: u64, shard: ShardId, event: &Event) {
    let shard = shard.0;
    match event {
        Event::PeerAdded(peer) => info!(
            engine, shard, peer = %peer.id, addr = %peer.remote_addr,
            direction = direction(peer.direction), framing = framing(peer.framing), "peer added"
        ),
        Event::PeerRemoved { peer, reason } if reason.blame() == Blame::Peer => warn!(
            engine, shard, peer = %peer.id, addr = %peer.remote_addr,
            direction = direction(peer.direction), %reason, "peer removed"
        ),
        Event::PeerRemoved { peer, reason } => info!(
            engine, shard, peer = %peer.id, addr = %peer.remote_addr,
            direction = direction(peer.direction), %reason, "peer removed"
        ),
        // Anyone can make a connection fail, as often as they like: counted, and told once a minute.
        Event::ConnectionRefused {
            remote_addr,
            id: Some(id),
            reason,
        } => {
            debug!(engine, shard, peer = %id, addr = %remote_addr, %reason, "connection refused");
        }
        Event::ConnectionRefused {
            remote_addr,
            id: None,
            reason,
        } => {
            debug!(engine, shard, addr = %remote_addr, %reason, "connection refused");
        }
        // The operator asked for these links, and is told once for each reason.
        Event::NamedPeerFailed {
            address,
            named_as,
            reason,
            retry_in,
        } => {
            let retry_in = retry_in.map(tracing::field::debug);
            warn!(engine, shard, %address, %reason, retry_in, "no connection to {named_as}");
        }
        // A fault of the peer was told with its removal.
        Event::NamedPeerLost { reason, .. } if reason.blame() == Blame::Peer => {}
        Event::NamedPeerLost {
            id,
            named_as,
            reason,
        } => {
            warn!(engine, shard, peer = %id, %reason, "lost {named_as}");
        }
        Event::NamedPeerBack {
            id,
            named_as,
            failures,
        } => {
            info!(engine, shard, peer = %id, failures, "connected to {named_as} after failures");
        }
        Event::DialFailed {
            address,
            error,
            is_named,
            retry_in,
        } => {
            // Left out where there is no further try.
            let retry_in = retry_in.map(tracing::field::debug);
            match is_named {
                true => debug!(engine, shard, %address, %error, retry_in, "dial failed"),
                false => info!(engine, shard, %address, %error, retry_in, "dial failed"),
            }
        }
        Event::GaveUp(address) => warn!(engine, shard, %address, "lost peer given up"),
        Event::ChannelHeldBack {
            channel,
            peer,
            waiting,
            has_subscriber: false,
        } => warn!(
            engine, shard, %channel, %peer, waiting,
            "nobody has subscribed to a channel, and no more of its messages fit: peers that send \
             them are not read until somebody does; subscribe, and drop the subscription if the \
             messages are not wanted"
        ),
        Event::ChannelHeldBack {
            channel,
            peer,
            waiting,
            has_subscriber: true,
        } => warn!(
            engine, shard, %channel, %peer, waiting,
            "a subscriber of a channel takes no messages, and no more fit: peers that send them \
             are not read until it does; read the subscription, or drop it"
        ),
        Event::Stopped => debug!(engine, shard, "switch stopped"),
        // The core may tell more than this crate knows of.
        event => info!(engine, shard, %event, "event"),
    }
}

/// In words, as `ringwire peers` has them: logs are read by programs that know no Rust.
fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

fn framing(framing: Framing) -> &'static str {
    match framing {
        Framing::Wide => "wide",
        Framing::Comet => "comet",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use ringwire_core::error::NetworkError;
    use tracing::field::{Field, Visit};
    use tracing::subscriber::NoSubscriber;
    use tracing::{Dispatch, span};

    use super::*;

    /// Keeps the fields of events as text.
    #[derive(Clone, Default)]
    struct Fields(Arc<Mutex<Vec<(String, String)>>>);

    impl tracing::Subscriber for Fields {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            let entry = (field.name().to_owned(), format!("{value:?}"));
            self.0.lock().expect("no panic holds it").push(entry);
        }
    }

    fn logged(event: &Event) -> Vec<(String, String)> {
        let fields = Fields::default();
        // With one subscriber alone, `tracing` may ask another test's thread, which has none,
        // whether these lines are wanted, and hold to its answer.
        let _second = Dispatch::new(NoSubscriber::default());
        tracing::subscriber::with_default(fields.clone(), || record(1, ShardId(0), event));
        let logged = fields.0.lock().expect("no panic holds it");
        logged.clone()
    }

    fn retry(retry_in: Option<Duration>) -> Option<String> {
        let address = "00112233445566778899aabbccddeeff00112233@10.0.0.1:26656";
        let fields = logged(&Event::DialFailed {
            address: address.parse().expect("an address"),
            error: NetworkError::Eof,
            is_named: false,
            retry_in,
        });
        let found = fields.into_iter().find(|(name, _)| name == "retry_in");
        found.map(|(_, value)| value)
    }

    #[test]
    fn a_field_that_may_be_missing_is_left_out_and_carries_no_words_of_rust() {
        assert_eq!(retry(Some(Duration::from_secs(3))).as_deref(), Some("3s"));
        assert_eq!(retry(None), None);
    }
}
