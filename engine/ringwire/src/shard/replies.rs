//! Who waits for the reply to a command.

use std::collections::HashMap;

use ringwire_core::switch::{Command, Reply, ReplyToken};
use ringwire_sync::ReplySender;

/// Those who wait, by the token that their command carries.
#[derive(Default)]
pub(super) struct Replies {
    waiting: HashMap<ReplyToken, ReplySender<Reply>>,
    next: u64,
}

impl Replies {
    /// Has `reply` wait for what becomes of a command.
    pub(super) fn expect(&mut self, command: &mut Command, reply: ReplySender<Reply>) {
        let given = ReplyToken(self.next);
        self.next += 1;
        self.waiting.insert(given, reply);
        if let Command::Send { token, .. }
        | Command::Dial { token, .. }
        | Command::Unban { token, .. }
        | Command::NamedPeers { token }
        | Command::Bans { token }
        | Command::Change { token, .. }
        | Command::Config { token }
        | Command::Ask { token, .. }
        | Command::Inspect { token, .. } = command
        {
            *token = Some(given);
        }
    }

    /// Gives its reply to who waits for it.
    pub(super) fn answer(&mut self, token: ReplyToken, reply: Reply) {
        if let Some(sender) = self.waiting.remove(&token) {
            sender.send(reply);
        }
    }
}
