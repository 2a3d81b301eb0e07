//! From a host name to its addresses, on a plain thread.
//!
//! The system's resolver blocks, for half a minute if name servers are silent. So names are
//! resolved on one thread per shard, started with the first name, which answers through the
//! transport's waker.
//!
//! ```text
//!   ask ──▶ questions (≤ QUEUE_MAX) ──▶ thread ──▶ answers, wake ──▶ poll_answer
//! ```

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::task::Waker;

use ringwire_core::error::NetworkError;
use ringwire_core::switch::io::DialId;

use super::affinity;
use super::error::TransportError;

/// Names that may wait for the resolver. The switch keeps few dials at a time; more than this
/// means that the name servers are silent, and then a quick failure serves better than a queue.
const QUEUE_MAX: usize = 64;
/// Addresses of one name that are tried at most.
const ADDRESSES_MAX: usize = 8;

/// What the thread is asked.
struct Question {
    dial: DialId,
    name: String,
    port: u16,
}

/// What was found for a dial.
pub(super) struct Answer {
    /// The dial that asked.
    pub(super) dial: DialId,
    /// Addresses in the system's order of preference, at least one and no more than
    /// [`ADDRESSES_MAX`].
    pub(super) found: Result<VecDeque<SocketAddr>, NetworkError>,
}

/// The resolver of one shard.
#[derive(Debug)]
pub(super) struct Resolver {
    waker: Waker,
    /// Started with the first name.
    questions: Option<SyncSender<Question>>,
    answers: Receiver<Answer>,
    answer: Sender<Answer>,
}

impl Resolver {
    /// A resolver that uses `waker` when it has an answer.
    pub(super) fn new(waker: Waker) -> Self {
        let (answer, answers) = channel();
        Resolver {
            waker,
            questions: None,
            answers,
            answer,
        }
    }

    /// Asks for the addresses of a name. Fails at once when too many names wait, or when there is
    /// no thread to be had.
    pub(super) fn ask(&mut self, dial: DialId, name: &str, port: u16) -> Result<(), NetworkError> {
        let refused = |message: &str| NetworkError::Resolve {
            host: name.to_string(),
            message: message.to_string(),
        };
        let questions = match &mut self.questions {
            Some(questions) => questions,
            none => match start_resolver(self.answer.clone(), self.waker.clone()) {
                Ok(questions) => none.insert(questions),
                Err(error) => return Err(refused(&error.to_string())),
            },
        };
        let question = Question {
            dial,
            name: name.to_string(),
            port,
        };
        match questions.try_send(question) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(refused("too many names wait for the resolver")),
            Err(TrySendError::Disconnected(_)) => {
                self.questions = None;
                Err(refused("the resolver thread is gone"))
            }
        }
    }

    /// The next answer that has come.
    pub(super) fn poll_answer(&mut self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }

    /// Whether there is a thread.
    #[cfg(test)]
    pub(super) fn is_started(&self) -> bool {
        self.questions.is_some()
    }

    /// An answer comes, as if of the thread.
    #[cfg(test)]
    pub(super) fn answer_late(&self, answer: Answer) {
        self.answer.send(answer).expect("the receiver is our own");
    }
}

/// Starts the thread. It ends after the resolver is dropped; nobody joins it, because nothing can
/// hurry a resolver that waits for its name servers.
fn start_resolver(
    answer: Sender<Answer>,
    waker: Waker,
) -> Result<SyncSender<Question>, TransportError> {
    let (questions, inbox) = sync_channel::<Question>(QUEUE_MAX);
    let work = move || {
        for Question { dial, name, port } in inbox {
            let found = resolve(&name, port);
            if answer.send(Answer { dial, found }).is_err() {
                return;
            }
            waker.wake_by_ref();
        }
    };
    affinity::spawn("rw-resolver", work).map_err(TransportError::Thread)?;
    Ok(questions)
}

/// Addresses of a name, in the resolver's order of preference.
fn resolve(name: &str, port: u16) -> Result<VecDeque<SocketAddr>, NetworkError> {
    let refused = |message: String| NetworkError::Resolve {
        host: name.to_string(),
        message,
    };
    let addresses = (name, port)
        .to_socket_addrs()
        .map_err(|error| refused(error.to_string()))?;
    let mut found: VecDeque<SocketAddr> = VecDeque::new();
    for address in addresses
        .filter(|address| is_dialable(address.ip()))
        .take(ADDRESSES_MAX)
    {
        if !found.contains(&address) {
            found.push_back(address);
        }
    }
    if found.is_empty() {
        return Err(refused(String::from("the name has no address")));
    }
    Ok(found)
}

/// `0.0.0.0` and `::` would connect to ourselves.
fn is_dialable(ip: IpAddr) -> bool {
    !ip.is_unspecified()
}
