//! One link's way from a socket to the coordinator's word, as a value.
//!
//! ```text
//!   Connected ──begin──▶ Upgrading ──advance──▶ (upgraded) ──ask──▶ Asking ──admit──▶ Leaving
//! ```
//!
//! What came behind the remote's NodeInfo is kept here until the link has found its home.

use bytes::BytesMut;
use ringwire_codec::NodeId;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::secret::CHALLENGE_BYTES;

use crate::buffer::{BufferPool, Chunk};
use crate::conn::{Upgrade, UpgradeStage, Upgraded};
use crate::error::{CloseReason, EarlyStep};
use crate::switch::links::goodbye::goodbye_for;
use crate::switch::message::{Pass, Ticket};
use crate::time::{Deadline, Instant};

/// A handshake.
pub(crate) struct Handshake {
    state: State,
    /// When TCP was up.
    began: Instant,
}

enum State {
    /// TCP is up and no more: the handshake begins when its turn comes, because even the first
    /// step costs a key pair.
    Connected {
        /// The id that was dialed.
        expected_id: Option<NodeId>,
        /// When the handshake must have ended.
        deadline: Deadline,
    },
    /// Secret handshake and NodeInfo exchange.
    Upgrading {
        upgrade: Box<Upgrade>,
        /// Whether something came that has not been looked at; at most one receive, because we
        /// read once. It is copied, so that a link which waits for its turn holds no chunk.
        has_received: bool,
        /// When the handshake must have ended.
        deadline: Deadline,
        /// Whether the remote has proven its key: what is left is its NodeInfo.
        exchanging: bool,
    },
    /// The coordinator is deciding.
    Asking {
        /// Keys, NodeInfo, bytes read so far.
        upgraded: Box<Upgraded>,
        /// When the coordinator must have answered.
        deadline: Deadline,
    },
    /// Admitted; moves to its home as soon as no transmit is in flight.
    Leaving { upgraded: Box<Upgraded>, pass: Pass },
}

/// How far a handshake has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// TCP is up and no more.
    Connected,
    /// Secret handshake and NodeInfo exchange.
    Upgrading,
    /// The coordinator is deciding.
    Asking,
    /// Admitted, on its way to its home.
    Leaving,
}

/// What a step of a handshake brought.
pub(crate) struct Step {
    /// The remote has proven its key just now.
    pub(crate) is_proof: bool,
    /// Everything is known of the remote.
    pub(crate) upgraded: Option<Box<Upgraded>>,
}

/// What is still said to a remote that is refused.
pub(crate) enum LastWord {
    /// Nothing.
    Nothing,
    /// What the handshake had to say and could not yet, so that the remote may learn whose fault it was.
    Unsent,
    /// The same, and a goodbye behind it.
    Goodbye(BytesMut),
}

impl Handshake {
    /// One of a link whose TCP connection is up.
    pub(crate) fn new(expected_id: Option<NodeId>, deadline: Deadline, now: Instant) -> Self {
        Handshake {
            state: State::Connected {
                expected_id,
                deadline,
            },
            began: now,
        }
    }

    /// When TCP was up.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// How far it has come.
    pub(crate) fn phase(&self) -> Phase {
        match &self.state {
            State::Connected { .. } => Phase::Connected,
            State::Upgrading { .. } => Phase::Upgrading,
            State::Asking { .. } => Phase::Asking,
            State::Leaving { .. } => Phase::Leaving,
        }
    }

    /// Begins it with the upgrade that is made for the id that was dialed, if it was.
    pub(crate) fn begin(&mut self, upgrade: impl FnOnce(Option<NodeId>) -> Upgrade) {
        if let State::Connected {
            expected_id,
            deadline,
        } = self.state
        {
            self.state = State::Upgrading {
                upgrade: Box::new(upgrade(expected_id)),
                has_received: false,
                deadline,
                exchanging: false,
            };
        }
    }

    /// Whether it waits for its own turn after something came.
    pub(crate) fn has_received(&self) -> bool {
        matches!(
            self.state,
            State::Upgrading {
                has_received: true,
                ..
            }
        )
    }

    /// Whether it can go on only when the remote says something.
    pub(crate) fn waits_for_remote(&self) -> bool {
        match &self.state {
            State::Upgrading {
                has_received,
                upgrade,
                ..
            } => !has_received && !upgrade.is_signing(),
            _ => false,
        }
    }

    /// What the node's key is to sign for it, once.
    pub(crate) fn poll_challenge(&mut self) -> Option<[u8; CHALLENGE_BYTES]> {
        match &mut self.state {
            State::Upgrading { upgrade, .. } => upgrade.poll_challenge(),
            _ => None,
        }
    }

    /// Whether it waits for the node's key to sign.
    pub(crate) fn is_signing(&self) -> bool {
        matches!(&self.state, State::Upgrading { upgrade, .. } if upgrade.is_signing())
    }

    /// The node's key has signed: the handshake goes on in its next turn, with what came meanwhile.
    pub(crate) fn handle_signature(&mut self, signature: [u8; SIGNATURE_BYTES]) {
        if let State::Upgrading {
            upgrade,
            has_received,
            ..
        } = &mut self.state
        {
            upgrade.handle_signature(signature);
            *has_received = true;
        }
    }

    /// Whether the remote has proven its key, and has been sent our NodeInfo.
    pub(crate) fn has_proven(&self) -> bool {
        match &self.state {
            State::Connected { .. } => false,
            State::Upgrading { exchanging, .. } => *exchanging,
            State::Asking { .. } | State::Leaving { .. } => true,
        }
    }

    /// The step that was under way, should the socket end now.
    pub(crate) fn early_step(&self) -> EarlyStep {
        match &self.state {
            State::Connected { .. } => EarlyStep::SecretConnection,
            State::Upgrading { upgrade, .. } => match upgrade.stage() {
                UpgradeStage::SecretConnection => EarlyStep::SecretConnection,
                UpgradeStage::NodeInfo | UpgradeStage::Over => EarlyStep::NodeInfo,
            },
            State::Asking { .. } | State::Leaving { .. } => EarlyStep::Admission,
        }
    }

    /// Who the remote is, once everything is known of it.
    pub(crate) fn remote_id(&self) -> Option<NodeId> {
        match &self.state {
            State::Asking { upgraded, .. } | State::Leaving { upgraded, .. } => {
                Some(upgraded.remote_id)
            }
            State::Connected { .. } | State::Upgrading { .. } => None,
        }
    }

    /// Its ticket, once it is admitted.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match &self.state {
            State::Leaving { pass, .. } => Some(pass.ticket),
            _ => None,
        }
    }

    /// When it, or the coordinator's answer, must have come to its end.
    pub(crate) fn deadline_at(&self) -> Option<Instant> {
        match &self.state {
            State::Connected { deadline, .. }
            | State::Upgrading { deadline, .. }
            | State::Asking { deadline, .. } => Some(deadline.at()),
            State::Leaving { .. } => None,
        }
    }

    /// Whether its time is over. If not, its deadline may have been moved out.
    pub(crate) fn is_late(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Connected { deadline, .. }
            | State::Upgrading { deadline, .. }
            | State::Asking { deadline, .. } => deadline.has_passed(now),
            State::Leaving { .. } => false,
        }
    }

    /// Bytes came; they are looked at in the link's turn.
    pub(crate) fn store(&mut self, chunk: Chunk, pool: &mut BufferPool) {
        match &mut self.state {
            State::Upgrading {
                upgrade,
                has_received,
                ..
            } => {
                debug_assert!(!*has_received, "an upgrade reads once at a time");
                upgrade.store(chunk.received());
                *has_received = true;
                pool.give_back_chunk(chunk.bytes);
            }
            State::Asking { upgraded, .. } | State::Leaving { upgraded, .. } => {
                upgraded.layer.recv.push(chunk, pool);
            }
            State::Connected { .. } => pool.give_back_chunk(chunk.bytes),
        }
    }

    /// Looks at what came; `None` if nothing did.
    pub(crate) fn advance(&mut self) -> Result<Option<Step>, CloseReason> {
        let State::Upgrading {
            upgrade,
            has_received,
            exchanging,
            ..
        } = &mut self.state
        else {
            return Ok(None);
        };
        if !std::mem::take(has_received) {
            return Ok(None);
        }
        let upgraded = upgrade.advance()?;
        let has_proven = upgrade.stage() == UpgradeStage::NodeInfo;
        let is_proof = has_proven && !std::mem::replace(exchanging, true);
        Ok(Some(Step { is_proof, upgraded }))
    }

    /// What it has to say next.
    pub(crate) fn poll_transmit(&mut self) -> Option<BytesMut> {
        match &mut self.state {
            State::Upgrading { upgrade, .. } => upgrade.poll_transmit(),
            _ => None,
        }
    }

    /// The coordinator is asked, and has until `deadline` to answer.
    pub(crate) fn ask(&mut self, upgraded: Box<Upgraded>, deadline: Deadline) {
        self.state = State::Asking { upgraded, deadline };
    }

    /// The same handshake with the coordinator's word that it may become a peer.
    pub(crate) fn admitted(self, pass: Pass) -> Self {
        let state = match self.state {
            State::Asking { upgraded, .. } => State::Leaving { upgraded, pass },
            other => other,
        };
        Handshake { state, ..self }
    }

    /// What an admitted link takes along to its home.
    pub(crate) fn into_luggage(self) -> Option<(Box<Upgraded>, Pass)> {
        match self.state {
            State::Leaving { upgraded, pass } => Some((upgraded, pass)),
            _ => None,
        }
    }

    /// What is still said to a remote that is refused for `reason`.
    pub(crate) fn last_word(&mut self, reason: &CloseReason) -> LastWord {
        match &mut self.state {
            State::Asking { upgraded, .. } | State::Leaving { upgraded, .. } => {
                let goodbye = seal_goodbye(upgraded, reason);
                goodbye.map_or(LastWord::Nothing, LastWord::Goodbye)
            }
            // A transmit is in flight, or it would have gone already.
            State::Upgrading { .. } => LastWord::Unsent,
            State::Connected { .. } => LastWord::Nothing,
        }
    }
}

/// The last word to a remote that has not become a peer, if it is to be told anything.
pub(crate) fn seal_goodbye(upgraded: &mut Upgraded, reason: &CloseReason) -> Option<BytesMut> {
    let layer = &mut upgraded.layer;
    goodbye_for(reason)?.seal(&layer.limits, &mut layer.sealer)
}
