//! What the application asks of a shard.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};

use crate::error::{CloseReason, SendError, TrySendError};
use crate::peer::{BanOrigin, ShardId};
use crate::switch::io::{Command, Reply, ReplyToken};
use crate::switch::links::link::WaitingSend;
use crate::switch::switch::Switch;

/// How long a peer that is stopped on purpose has for taking what is queued.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

impl Switch {
    pub(crate) fn command(&mut self, command: Command) {
        match command {
            Command::Send {
                peer,
                channel,
                message,
                timeout,
                token,
            } => {
                let deadline = timeout.map(|timeout| self.core.now + timeout);
                self.send(
                    peer,
                    WaitingSend {
                        channel,
                        message,
                        deadline,
                        token,
                    },
                );
            }
            Command::Broadcast { channel, message } => {
                if !self.core.stopping {
                    self.core.broadcast_here(channel, &message);
                }
            }
            Command::Publish { channel, message } => self.publish(channel, message),
            Command::Dial {
                address,
                persistent,
                token,
            } => match &mut self.coordinator {
                Some(coordinator) => coordinator.dial(&mut self.core, address, persistent, token),
                None => self.refuse_dial(token),
            },
            Command::Ban { target, span } => {
                debug_assert_eq!(self.core.shard, ShardId::COORDINATOR, "bans go to shard 0");
                match &mut self.coordinator {
                    Some(coordinator) if span.is_zero() => {
                        coordinator.unban(&mut self.core, target);
                    }
                    Some(coordinator) => {
                        coordinator.ban(&mut self.core, target, span, BanOrigin::Operator);
                    }
                    None => {}
                }
            }
            Command::Unban { target, token } => {
                if let Some(coordinator) = &mut self.coordinator {
                    let was_banned = coordinator.unban(&mut self.core, target);
                    self.answer(token, Reply::Unban(was_banned));
                }
            }
            Command::NamedPeers { token } => {
                let now = self.core.now;
                if let Some(coordinator) = &self.coordinator {
                    let named = coordinator.named_peers(now);
                    self.answer(token, Reply::NamedPeers(named));
                }
            }
            Command::Bans { token } => {
                let now = self.core.now;
                if let Some(coordinator) = &self.coordinator {
                    let bans = coordinator.bans(now);
                    self.answer(token, Reply::Bans(bans));
                }
            }
            Command::StopPeer { peer } => {
                if let Some(key) = self.core.links.key_of_peer(&peer) {
                    let deadline = self.core.now + GRACE;
                    self.close_gracefully(key, CloseReason::Stopped, deadline);
                }
            }
            Command::Ask { ask, token } => {
                let answer = self.ask(ask);
                self.answer(token, Reply::Answer(answer));
            }
            Command::Inspect { reactor, token } => self.inspect(&reactor, token),
            Command::Shutdown { within } => self.shut_down(within),
        }
        self.settle();
    }

    /// Queues a message for one peer, or lets it wait for room.
    fn send(&mut self, to: NodeId, send: WaitingSend) {
        let key = self.core.links.key_of_peer(&to);
        let is_taken = |key| {
            self.core
                .links
                .peer(key)
                .is_some_and(|peer| peer.closing.is_none())
        };
        let refused = match key {
            _ if self.core.stopping => TrySendError::Stopping(send.message),
            Some(key) if is_taken(key) => return self.core.send_or_wait(key, send),
            _ => TrySendError::NotConnected(send.message),
        };
        if let Some(token) = send.token {
            self.core
                .reply(token, Reply::Send(Err(SendError::Refused(refused))));
        }
    }

    /// Hands a message to the reactor of its channel.
    fn publish(&mut self, channel: ChannelId, message: Bytes) {
        let Some(index) = self.core.channels.owner(channel) else {
            return;
        };
        if !self.core.stopping {
            // A panic here is counted; there is no peer at hand that it could cost.
            let _ = self.call(index, |reactor, cx| reactor.publish(cx, channel, message));
        }
    }

    fn inspect(&mut self, reactor: &str, token: Option<ReplyToken>) {
        let document = self.reactors.inspect(reactor);
        self.answer(token, Reply::Inspect(document));
    }

    fn answer(&mut self, token: Option<ReplyToken>, reply: Reply) {
        if let Some(token) = token {
            self.core.reply(token, reply);
        }
    }

    fn refuse_dial(&mut self, token: Option<ReplyToken>) {
        debug_assert!(false, "dials are the coordinator's");
        if let Some(token) = token {
            self.core
                .reply(token, Reply::Dial(Err(CloseReason::Stopped)));
        }
    }
}
