//! What the application asks of a shard.

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};

use crate::error::{CloseReason, SendError, TrySendError};
use crate::peer::BanOrigin;
use crate::reactor::PublishOptions;
use crate::switch::io::{Command, Reply, ReplyToken};
use crate::switch::node::ending::shut_down;
use crate::switch::peer::closing::GRACE;
use crate::switch::peer::queues::WaitingSend;
use crate::switch::reactors::context::{ask, call};
use crate::switch::shard::{Parts, Shard};

/// Does what the application wants, or answers why not.
pub(crate) fn carry_out(shard: &mut Shard, command: Command) {
    match command {
        Command::Send {
            peer,
            channel,
            message,
            timeout,
            token,
        } => {
            let deadline = timeout.map(|timeout| shard.core().now() + timeout);
            let send = WaitingSend {
                channel,
                message,
                deadline,
                token,
            };
            self::send(shard, peer, send);
        }
        Command::Broadcast { channel, message } => {
            let Parts {
                core, links, sends, ..
            } = shard.parts();
            if !core.is_stopping() {
                sends.broadcast_here(core, links, channel, &message);
            }
        }
        Command::Publish {
            channel,
            message,
            options,
        } => publish(shard, channel, message, options),
        Command::StopPeer { peer } => {
            let Parts { core, links, .. } = shard.parts();
            if let Some(key) = links.key_of_peer(&peer) {
                links.close_gracefully(key, CloseReason::Stopped, core.now() + GRACE);
            }
        }
        Command::Ask { ask, token } => {
            let answer = self::ask(shard, ask);
            self::answer(shard, token, Reply::Answer(answer));
        }
        Command::Inspect { reactor, token } => {
            let document = shard.reactors().inspect(&reactor);
            answer(shard, token, Reply::Inspect(document));
        }
        Command::Shutdown { within } => shut_down(shard, within),
        of_node => carry_out_of_node(shard, of_node),
    }
}

/// What concerns the whole node, and only the coordinator's shard is asked.
fn carry_out_of_node(shard: &mut Shard, command: Command) {
    let Some((coordinator, mut desk)) = shard.coordination() else {
        debug_assert!(false, "{command:?} is for shard 0");
        if let Command::Dial { token, .. } = command {
            answer(shard, token, Reply::Dial(Err(CloseReason::Stopped)));
        }
        return;
    };
    let now = desk.core.now();
    match command {
        Command::Dial {
            address,
            persistent,
            token,
        } => coordinator.dial(&mut desk, address, persistent, token),
        Command::Ban { target, span } if span.is_zero() => {
            coordinator.unban(&mut desk, target);
        }
        Command::Ban { target, span } => {
            coordinator.ban(&mut desk, target, span, BanOrigin::Operator);
        }
        Command::Unban { target, token } => {
            let was_banned = coordinator.unban(&mut desk, target);
            answer(shard, token, Reply::Unban(was_banned));
        }
        Command::NamedPeers { token } => {
            let named = coordinator.named_peers(now);
            answer(shard, token, Reply::NamedPeers(named));
        }
        Command::Change { changes, token } => coordinator.change(&mut desk, &changes, token),
        Command::Config { token } => {
            let config = coordinator.config();
            answer(shard, token, Reply::Config(config));
        }
        Command::Bans { token } => {
            let bans = coordinator.bans(now);
            answer(shard, token, Reply::Bans(bans));
        }
        other => unreachable!("not a command to the coordinator: {other:?}"),
    }
}

/// Queues a message for one peer, or lets it wait for room.
fn send(shard: &mut Shard, to: NodeId, send: WaitingSend) {
    let Parts {
        core, links, sends, ..
    } = shard.parts();
    let key = links.key_of_peer(&to);
    let is_taken = |key| links.peer(key).is_some_and(|peer| !peer.is_closing());
    let refused = match key {
        _ if core.is_stopping() => TrySendError::Stopping(send.message),
        Some(key) if is_taken(key) => return sends.send_or_wait(core, links, key, send),
        _ => TrySendError::NotConnected(send.message),
    };
    if let Some(token) = send.token {
        core.reply(token, Reply::Send(Err(SendError::Refused(refused))));
    }
}

/// Hands a message to the reactor of its channel.
fn publish(shard: &mut Shard, channel: ChannelId, message: Bytes, options: PublishOptions) {
    let Some(index) = shard.core().channels().owner(channel) else {
        return;
    };
    if !shard.core().is_stopping() {
        // A panic here is counted; there is no peer at hand that it could cost.
        let _ = call(shard, index, |reactor, cx| {
            reactor.publish(cx, channel, message, options)
        });
    }
}

fn answer(shard: &mut Shard, token: Option<ReplyToken>, reply: Reply) {
    if let Some(token) = token {
        shard.parts().core.reply(token, reply);
    }
}
