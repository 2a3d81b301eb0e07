//! A visit over a socket that blocks, within one deadline.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use ringwire_codec::pex::PEX_CHANNEL;
use ringwire_codec::{NodeInfo, NodeInfoOther, NodeKey, ProtocolVersion};
use ringwire_core::time;

use super::conversation::Conversation;
use super::socket::{Connected, Place, Socket};
use super::{Known, Step, Target, Visit, VisitError};

/// How long a node that cannot be asked for addresses may take to hang up on a visitor whom it does
/// not want, besides two round trips.
const LINGER: Duration = Duration::from_millis(500);

/// Where a visitor listens: a NodeInfo must name an address, and this one is for documents (RFC 3849).
/// No address book takes it, neither CometBFT's nor ours.
const NOWHERE: &str = "tcp://[2001:db8::1]:26656";

/// Bytes that are read at a time.
const READ_BYTES: usize = 16 * 1024;

/// Who visits: one identity for all visits of a run.
pub(crate) struct Visitor {
    key: NodeKey,
    info: NodeInfo,
    within: Duration,
}

impl Visitor {
    /// A visitor with a key of its own, who gives each node so much time for a whole visit.
    ///
    /// # Errors
    /// The system has no chance to give.
    pub(crate) fn new(moniker: &str, within: Duration) -> io::Result<Self> {
        let key = NodeKey::generate().map_err(io::Error::other)?;
        let info = NodeInfo {
            protocol_version: ProtocolVersion::default(),
            node_id: key.id(),
            listen_addr: String::from(NOWHERE),
            network: String::new(),
            version: String::from(env!("CARGO_PKG_VERSION")),
            channels: [PEX_CHANNEL].into_iter().collect(),
            moniker: String::from(moniker),
            other: NodeInfoOther::default(),
            extension: None,
        };
        Ok(Visitor { key, info, within })
    }

    /// Visits a node. Takes the visitor's time at most, and what the system's resolver takes for a
    /// name.
    pub(crate) fn visit(&self, target: Target) -> Visit {
        let mut visit = Visit::new(target);
        if let Err(error) = self.make(&mut visit) {
            visit.error = Some(error);
        }
        visit
    }

    fn make(&self, visit: &mut Visit) -> Result<(), VisitError> {
        let place = Place::of(&visit.target).map_err(VisitError::Name)?;
        let deadline = Instant::now() + self.within;
        let Connected {
            socket,
            addr,
            round_trip,
        } = Socket::connect(&place, deadline).map_err(VisitError::Connect)?;
        (visit.addr, visit.round_trip) = (addr, round_trip);
        let mut ephemeral_secret = [0; 32];
        getrandom::fill(&mut ephemeral_secret).map_err(|error| {
            VisitError::Broken(Step::Handshake, io::Error::other(error.to_string()))
        })?;
        let mut line = Line {
            socket,
            conversation: Conversation::new(&self.key, &self.info, ephemeral_secret),
            began: Instant::now(),
            deadline,
            within: self.within,
        };
        line.talk(visit)
    }
}

/// One connection and what is said on it.
struct Line {
    socket: Socket,
    conversation: Conversation,
    began: Instant,
    deadline: Instant,
    within: Duration,
}

impl Line {
    fn talk(&mut self, visit: &mut Visit) -> Result<(), VisitError> {
        let mut room = vec![0; READ_BYTES];
        loop {
            self.write()?;
            if visit.handshake.is_none() && self.conversation.step() == Step::Asking {
                visit.handshake = Some(self.began.elapsed());
                self.meet(visit)?;
            }
            if let Some(addresses) = self.conversation.take_answer() {
                visit.known = Known::Told(addresses);
                return Ok(());
            }
            match self.socket.read(&mut room, self.deadline) {
                Ok(0) => return Err(VisitError::HungUp(self.conversation.step())),
                Ok(read) => {
                    let now = self.now();
                    let told = self.conversation.handle_received(&room[..read], now);
                    visit.node_info = self.conversation.heard().cloned();
                    if let Err(reason) = told {
                        // What was sealed before may tell the node why.
                        let _ = self.write();
                        return self.ended(VisitError::Refused(reason), visit);
                    }
                }
                Err(error) if is_timeout(&error) && self.lingers() => return Ok(()),
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// The node is known; is it the right one?
    fn meet(&mut self, visit: &mut Visit) -> Result<(), VisitError> {
        let id = visit.node_info.as_ref().map(|info| info.node_id);
        if let (Some(id), Some(wanted)) = (id, visit.target.id)
            && id != wanted
        {
            return Err(VisitError::OtherId(id));
        }
        if !self.conversation.asks() {
            visit.known = Known::NoChannel;
            let linger = LINGER + 2 * visit.round_trip.unwrap_or_default();
            self.deadline = self.deadline.min(Instant::now() + linger);
        }
        Ok(())
    }

    /// Whether nothing more is expected of the node than not to hang up.
    fn lingers(&self) -> bool {
        self.conversation.step() == Step::Asking && !self.conversation.asks()
    }

    /// A node that goes on to talk has let us in, whatever it says.
    fn ended(&self, error: VisitError, visit: &Visit) -> Result<(), VisitError> {
        match visit.known == Known::NoChannel {
            true => Ok(()),
            false => Err(error),
        }
    }

    fn write(&mut self) -> Result<(), VisitError> {
        let now = self.now();
        while let Some(bytes) = self
            .conversation
            .poll_transmit(now)
            .map_err(VisitError::Refused)?
        {
            let written = self.socket.write_all(&bytes, self.deadline);
            written.map_err(|error| self.broken(error))?;
        }
        Ok(())
    }

    fn broken(&self, error: io::Error) -> VisitError {
        let step = self.conversation.step();
        match error.kind() {
            _ if is_timeout(&error) => VisitError::Silent(step, self.within),
            // A refusal, as soon as it is more than the end of a stream.
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => VisitError::HungUp(step),
            _ => VisitError::Broken(step, error),
        }
    }

    fn now(&self) -> time::Instant {
        time::Instant::ZERO + self.began.elapsed()
    }
}

fn is_timeout(error: &io::Error) -> bool {
    // What a socket's own timeout is called differs between systems.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
