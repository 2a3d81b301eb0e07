//! A connection as an application sees it: a queue of messages out and one of messages in, both
//! bounded. A sender waits when its queue is full, and a reader that is not read stops reading its
//! socket, so nothing is ever dropped.

use bytes::Bytes;
use tokio::sync::mpsc;

/// Messages that may wait, as for Ringwire's channel in the same case.
const QUEUE: usize = 64;
/// The same where messages are under a kilobyte.
const QUEUE_SMALL: usize = 1000;
/// Bytes from which a message is not small.
const SMALL: usize = 1024;

/// The application's end of a connection.
#[derive(Debug)]
pub struct Link {
    /// Messages to send.
    pub outbound: mpsc::Sender<Bytes>,
    /// Messages that came, whole.
    pub inbound: mpsc::Receiver<Bytes>,
}

/// The connection's end of a [`Link`].
#[derive(Debug)]
pub struct Far {
    /// What the application wants sent.
    pub outbound: mpsc::Receiver<Bytes>,
    /// Where what came goes.
    pub inbound: mpsc::Sender<Bytes>,
}

/// Both nodes' ends of one connection.
#[derive(Debug)]
pub struct Pair {
    /// The node that begins: it sends first.
    pub hub: Link,
    /// The node that receives.
    pub leaf: Link,
}

/// A link with queues for messages of so many bytes.
#[must_use]
pub fn pair(message_bytes: usize) -> (Link, Far) {
    let queue = if message_bytes < SMALL {
        QUEUE_SMALL
    } else {
        QUEUE
    };
    let (to_connection, from_application) = mpsc::channel(queue);
    let (to_application, from_connection) = mpsc::channel(queue);
    (
        Link {
            outbound: to_connection,
            inbound: from_connection,
        },
        Far {
            outbound: from_application,
            inbound: to_application,
        },
    )
}
