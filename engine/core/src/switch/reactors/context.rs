//! What the switch does for a reactor that is called: its side of [`Context`].
//!
//! [`Context`]: crate::reactor::Context

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::{ChannelId, NetAddress, NodeId, PublicKey};

use crate::document::{Document, SaveError};
use crate::error::{CloseReason, StartPanic, TrySendError};
use crate::peer::{BanOrigin, BanTarget, Census, PeerInfo, PeerKey, ShardId};
use crate::reactor::{Answer, Ask, AskError, Host, Instance, Note, ReactorError, TimerId};
use crate::switch::core::Stop;
use crate::switch::io::{Delivery, Output};
use crate::switch::message::ShardMessage;
use crate::switch::shard::{Parts, Shard};
use crate::switch::timers::Timer;
use crate::time::Instant;

/// Calls one reactor with its host; a panic becomes the reason to close the peer at hand.
///
/// # Panics
/// If the reactor is being called. Reactors are called from the turn alone, and by each other only by
/// [`ask`], which looks first.
#[inline]
pub(crate) fn call<R>(
    shard: &mut Shard,
    index: usize,
    call: impl FnOnce(&mut dyn Instance, &mut dyn Host) -> R,
) -> Result<R, CloseReason> {
    let outcome = call_one(shard, index, call);
    outcome.expect("reactors are called from here alone, and by others only within such a call")
}

/// Calls a reactor, which is out of its place meanwhile: it can ask others, and nobody can call it.
/// `None` if it is being called already.
#[inline]
fn call_one<R>(
    shard: &mut Shard,
    index: usize,
    call: impl FnOnce(&mut dyn Instance, &mut dyn Host) -> R,
) -> Option<Result<R, CloseReason>> {
    let outcome = catch(shard, index, call)?;
    let Parts { core, reactors, .. } = shard.parts();
    Some(outcome.map_err(|panic| {
        let reason = reactors.blame(index, &*panic);
        tracing::error!(target: "ringwire::switch", %reason, "a reactor's panic was contained");
        core.count().reactor_panics += 1;
        reason
    }))
}

/// Starts one reactor. A panic costs the whole start, so it is told and not contained.
pub(crate) fn start(shard: &mut Shard, index: usize) -> Result<(), StartPanic> {
    let outcome = catch(shard, index, |reactor, cx| reactor.start(cx));
    let outcome = outcome.expect("no reactor is called before all have started");
    outcome.map_err(|panic| shard.reactors().blame_start(index, &*panic))
}

/// Calls a reactor and catches its panic. `None` if it is being called already.
#[inline]
fn catch<R>(
    shard: &mut Shard,
    index: usize,
    call: impl FnOnce(&mut dyn Instance, &mut dyn Host) -> R,
) -> Option<std::thread::Result<R>> {
    let mut instance = shard.parts().reactors.take(index)?;
    let mut host = ReactorContext {
        shard,
        reactor: index,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| call(&mut *instance, &mut host)));
    shard.parts().reactors.put_back(index, instance);
    Some(outcome)
}

/// Puts a question to the reactor it is for.
pub(crate) fn ask(shard: &mut Shard, ask: Ask) -> Result<Answer, AskError> {
    let reactors = shard.reactors();
    let owner = ask
        .channel()
        .map(|channel| shard.core().channels().owner(channel));
    let index = match owner {
        Some(owner) => owner.filter(|index| reactors.is(*index, |instance| ask.is_for(instance))),
        None => reactors.position(|instance| ask.is_for(instance)),
    };
    let Some(index) = index else {
        // A reactor that is being called cannot be looked at: it may be the one.
        return Err(match reactors.is_calling() {
            true => AskError::Busy,
            false => AskError::NoSuchReactor,
        });
    };
    let put = |instance: &mut dyn Instance, host: &mut dyn Host| ask.put(instance, host);
    match call_one(shard, index, put) {
        Some(Ok(Some(answer))) => Ok(answer),
        Some(Ok(None)) => Err(AskError::NoSuchReactor),
        Some(Err(_)) => Err(AskError::Panicked),
        None => Err(AskError::Busy),
    }
}

/// The context of one call to one reactor. Where it belongs in the shard is an empty place meanwhile.
struct ReactorContext<'a> {
    shard: &'a mut Shard,
    /// Index of the reactor that is called.
    reactor: usize,
}

impl ReactorContext<'_> {
    fn index(&self) -> u16 {
        u16::try_from(self.reactor).expect("at most sixteen channels, so few reactors")
    }

    /// Its name.
    fn name(&self) -> String {
        let identity = self.shard.core().identity();
        identity.reactor_name(self.reactor).to_owned()
    }

    fn set_held_back(&mut self, peer: PeerKey, channel: ChannelId, is_held_back: bool) {
        let Parts { core, links, .. } = self.shard.parts();
        let number = core.channels().number(channel);
        if let Some((number, it)) = number.zip(links.peer_mut(peer))
            && it.set_held_back(number, is_held_back)
        {
            // What waits is pulled in its next turn.
            links.mark(peer);
        }
    }
}

impl Host for ReactorContext<'_> {
    fn now(&self) -> Instant {
        self.shard.core().now()
    }

    fn shard(&self) -> ShardId {
        self.shard.core().identity().shard()
    }

    fn shard_count(&self) -> u16 {
        self.shard.core().identity().shard_count()
    }

    fn node_id(&self) -> NodeId {
        self.shard.core().identity().node_id()
    }

    fn public_key(&self) -> PublicKey {
        self.shard.core().identity().node_key().public_key()
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.shard.core().identity().sign(message)
    }

    fn network(&self) -> &str {
        &self.shard.core().identity().node_info().network
    }

    fn unix_time(&self) -> Duration {
        let core = self.shard.core();
        let since_zero = Duration::from_nanos(core.now().as_nanos());
        core.identity().unix_time_at_zero() + since_zero
    }

    fn peers(&self) -> Vec<PeerKey> {
        self.shard.links().peer_keys().collect()
    }

    fn peer(&self, key: PeerKey) -> Option<&PeerInfo> {
        self.shard.links().peer(key).map(|peer| &**peer.info())
    }

    fn find_peer(&self, id: &NodeId) -> Option<PeerKey> {
        self.shard.links().key_of_peer(id)
    }

    fn try_send(
        &mut self,
        peer: PeerKey,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError> {
        let Parts {
            core, links, sends, ..
        } = self.shard.parts();
        sends.try_send(core, links, peer, channel, message)
    }

    fn try_broadcast(&mut self, channel: ChannelId, message: Bytes) -> usize {
        let Parts {
            core, links, sends, ..
        } = self.shard.parts();
        for shard in core.identity().other_shards() {
            let message = message.clone();
            core.send(shard, ShardMessage::Broadcast { channel, message });
        }
        sends.broadcast_here(core, links, channel, &message)
    }

    fn deliver(&mut self, from: NodeId, channel: ChannelId, message: Bytes) {
        self.shard.parts().deliveries.push(Delivery {
            peer: from,
            channel,
            message,
        });
    }

    fn send_note(&mut self, to: ShardId, note: Note) {
        let reactor = self.index();
        let core = self.shard.parts().core;
        core.send(to, ShardMessage::Note { reactor, note });
    }

    fn hold_back(&mut self, peer: PeerKey, channel: ChannelId) {
        self.set_held_back(peer, channel, true);
    }

    fn release(&mut self, peer: PeerKey, channel: ChannelId) {
        self.set_held_back(peer, channel, false);
    }

    fn set_timer(&mut self, after: Duration, token: u64) -> TimerId {
        let timer = Timer::Reactor(self.index(), token);
        let core = self.shard.parts().core;
        core.set_timer(core.now() + after, timer)
    }

    fn cancel_timer(&mut self, timer: TimerId) {
        self.shard.parts().core.cancel_timer(timer);
    }

    fn stop_peer(&mut self, peer: PeerKey, error: ReactorError) {
        let reactor = self.name();
        self.shard.parts().core.stop(Stop {
            peer,
            reason: CloseReason::Reactor { reactor, error },
            graceful: false,
        });
    }

    fn stop_peer_gracefully(&mut self, peer: PeerKey) {
        let reactor = self.name();
        self.shard.parts().core.stop(Stop {
            peer,
            reason: CloseReason::Done { reactor },
            graceful: true,
        });
    }

    fn save(&mut self, document: Document) -> Result<(), SaveError> {
        let core = self.shard.parts().core;
        core.identity().kept().check(document.name())?;
        core.put_out(Output::Save(document));
        Ok(())
    }

    fn random(&mut self) -> [u8; 32] {
        self.shard.parts().core.chance().bytes()
    }

    fn find_instance(&self, is_it: &dyn Fn(&dyn Instance) -> bool) -> Option<&dyn Instance> {
        self.shard.reactors().find(is_it)
    }

    fn ask(&mut self, question: Ask) -> Result<Answer, AskError> {
        ask(self.shard, question)
    }

    fn census(&self) -> Option<Census> {
        let coordinator = self.shard.coordinator();
        coordinator.map(|coordinator| coordinator.census())
    }

    fn is_known(&self, id: &NodeId) -> bool {
        let coordinator = self.shard.coordinator();
        coordinator.is_some_and(|coordinator| coordinator.is_known(id))
    }

    fn dial(&mut self, address: NetAddress) {
        let reactor = self.index();
        if let Some((coordinator, mut desk)) = self.shard.coordination() {
            coordinator.discover(&mut desk, address, reactor);
        }
    }

    fn ban(&mut self, target: BanTarget, span: Duration) {
        if let Some((coordinator, mut desk)) = self.shard.coordination() {
            coordinator.ban(&mut desk, target, span, BanOrigin::Reactor);
        }
    }
}
