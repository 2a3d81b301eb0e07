//! [`Flood`]: what a node hears first, it sends to all neighbours but the one it has it from. So does every
//! released CometBFT.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::machine::{Context, LinkId, Machine, Message, NodeIndex, Payload, Priority, Size};

/// Bytes of a message before its payload: kind, length.
const HEADER_BYTES: u32 = 5;

/// A payload, whole.
#[derive(Clone, Debug)]
pub struct FloodMessage(Payload);

impl Message for FloodMessage {
    fn size(&self) -> Size {
        Size {
            payload: Some((self.0.id, self.0.bytes)),
            control_bytes: HEADER_BYTES,
        }
    }

    fn priority(&self) -> Priority {
        Priority::of_payload(self.0.bytes)
    }
}

/// A node that floods.
#[derive(Debug, Default)]
pub struct Flood {
    links: Vec<LinkId>,
    seen: BTreeSet<u32>,
}

impl Flood {
    fn spread(
        &self,
        context: &mut Context<'_, FloodMessage>,
        message: &FloodMessage,
        from: Option<LinkId>,
    ) {
        for link in &self.links {
            if Some(*link) != from {
                context.send(*link, message.clone());
            }
        }
    }
}

impl Machine for Flood {
    type Message = FloodMessage;

    fn handle_link_up(
        &mut self,
        _context: &mut Context<'_, FloodMessage>,
        link: LinkId,
        _peer: NodeIndex,
        _outbound: bool,
        _rtt: Duration,
    ) {
        self.links.push(link);
    }

    fn handle_link_down(&mut self, _context: &mut Context<'_, FloodMessage>, link: LinkId) {
        self.links.retain(|other| *other != link);
    }

    fn handle_message(
        &mut self,
        context: &mut Context<'_, FloodMessage>,
        link: LinkId,
        message: FloodMessage,
    ) {
        if self.seen.insert(message.0.id) {
            context.deliver(message.0.id);
            self.spread(context, &message, Some(link));
        }
    }

    fn publish(&mut self, context: &mut Context<'_, FloodMessage>, payload: Payload) {
        self.seen.insert(payload.id);
        self.spread(context, &FloodMessage(payload), None);
    }

    fn handle_timer(&mut self, _context: &mut Context<'_, FloodMessage>) {}

    fn state_bytes(&self) -> usize {
        // A hash of 32 bytes for each message.
        self.seen.len() * 32
    }
}
