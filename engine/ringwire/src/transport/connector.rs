//! From a host name to a connection: resolve, then try one address after the other.
//!
//! ```text
//!   dial(name) ──▶ Resolver ──▶ poll_failure ──┐
//!   dial(ip) ──────────────────────────────────┼──▶ Transport::dial ──▶ handle_connected
//!                                 next address └───────────── handle_failed
//! ```
//!
//! Resolving and all addresses together have the time the dial was given.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use ringwire_codec::net_address::Host;
use ringwire_core::error::NetworkError;
use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::DialId;
use ringwire_core::time::Instant;

use super::resolver::{Answer, Resolver};
use super::transport::Transport;

/// A dial whose end the transport has not reported.
#[derive(Debug)]
struct Attempt {
    /// When its time is up.
    until: Instant,
    /// Addresses not tried yet.
    rest: VecDeque<SocketAddr>,
    /// Whether its name is still being resolved.
    resolving: bool,
}

/// The dials of one shard.
#[derive(Debug)]
pub(crate) struct Connector {
    attempts: HashMap<DialId, Attempt>,
    resolver: Resolver,
}

impl Connector {
    /// A connector for the transport that `waker` wakes.
    pub(crate) fn new(waker: Waker) -> Self {
        Connector {
            attempts: HashMap::new(),
            resolver: Resolver::new(waker),
        }
    }

    /// Dials `host`. Returns the error if that fails at once; otherwise the transport reports
    /// `Connected` or `DialFailed` (see [`Connector::handle_failed`]), or [`Connector::poll_failure`]
    /// tells of names that did not resolve.
    pub(crate) fn dial(
        &mut self,
        transport: &mut Transport,
        now: Instant,
        dial: DialId,
        (host, port): (&Host, u16),
        timeout: Duration,
    ) -> Result<(), NetworkError> {
        let mut attempt = Attempt {
            until: now + timeout,
            rest: VecDeque::new(),
            resolving: false,
        };
        match host {
            Host::Ip(ip) => transport.dial(dial, SocketAddr::new(*ip, port).into(), timeout),
            Host::Unix(path) => transport.dial(dial, RemoteAddr::Unix((**path).into()), timeout),
            Host::Name(name) => {
                self.resolver.ask(dial, name, port)?;
                attempt.resolving = true;
            }
        }
        self.attempts.insert(dial, attempt);
        Ok(())
    }

    /// Forgets a dial, wherever it is.
    pub(crate) fn cancel(&mut self, transport: &mut Transport, dial: DialId) {
        self.attempts.remove(&dial);
        transport.cancel_dial(dial);
    }

    /// To be told when the transport reports `Connected`.
    pub(crate) fn handle_connected(&mut self, dial: DialId) {
        self.attempts.remove(&dial);
    }

    /// To be told when the transport reports `DialFailed`. Returns the error if the dial is over, or
    /// `None` if the next address is being tried.
    pub(crate) fn handle_failed(
        &mut self,
        transport: &mut Transport,
        now: Instant,
        dial: DialId,
        error: NetworkError,
    ) -> Option<NetworkError> {
        if self.try_next(transport, now, dial) {
            return None;
        }
        self.attempts.remove(&dial);
        Some(error)
    }

    /// When [`Connector::poll_failure`] wants to be called at the latest: the first time limit of a
    /// name that is still being resolved.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let resolving = self.attempts.values().filter(|attempt| attempt.resolving);
        resolving.map(|attempt| attempt.until).min()
    }

    /// Starts dials whose name is resolved; returns the next dial that failed before it reached
    /// the transport. To be called until it returns `None`, after each `Woken` and at the timeout.
    pub(crate) fn poll_failure(
        &mut self,
        transport: &mut Transport,
        now: Instant,
    ) -> Option<(DialId, NetworkError)> {
        while let Some(Answer { dial, found }) = self.resolver.poll_answer() {
            // A dial that was cancelled, or whose time was up, is known no more.
            let Some(attempt) = self.attempts.get_mut(&dial) else {
                continue;
            };
            attempt.resolving = false;
            match found {
                Ok(addresses) => attempt.rest = addresses,
                Err(error) => {
                    self.attempts.remove(&dial);
                    return Some((dial, error));
                }
            }
            if !self.try_next(transport, now, dial) {
                self.attempts.remove(&dial);
                return Some((dial, NetworkError::DialTimeout));
            }
        }
        self.expire(now)
    }

    /// A name that took too long to resolve.
    fn expire(&mut self, now: Instant) -> Option<(DialId, NetworkError)> {
        let late = |attempt: &Attempt| attempt.resolving && attempt.until <= now;
        let dial = self
            .attempts
            .iter()
            .find_map(|(dial, a)| late(a).then_some(*dial))?;
        self.attempts.remove(&dial);
        Some((dial, NetworkError::DialTimeout))
    }

    /// Dials the next address of a name within the time that is left, shared fairly with the
    /// addresses after it: a dead one must not use up all of it.
    fn try_next(&mut self, transport: &mut Transport, now: Instant, dial: DialId) -> bool {
        let Some(attempt) = self.attempts.get_mut(&dial) else {
            return false;
        };
        let left = attempt.until.saturating_since(now);
        if left.is_zero() {
            return false;
        }
        let share = left / attempt.rest.len().max(1) as u32;
        let Some(address) = attempt.rest.pop_front() else {
            return false;
        };
        transport.dial(dial, address.into(), share);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use ringwire_core::buffer::{BufferPool, PoolLimits};

    use super::*;
    use crate::transport::{Completion, Wait, Way};

    const TIMEOUT: Duration = Duration::from_secs(10);
    const DIAL: DialId = DialId(1);

    struct Rig {
        transport: Transport,
        connector: Connector,
        pool: BufferPool,
    }

    impl Rig {
        fn new() -> Rig {
            // Every machine allows it; by which way makes no difference here.
            let transport = Transport::new(Way::Readiness).expect("it needs nothing");
            let connector = Connector::new(transport.waker());
            Rig {
                transport,
                connector,
                pool: BufferPool::new(PoolLimits::default()),
            }
        }

        fn dial(&mut self, host: Host, port: u16) -> Result<(), NetworkError> {
            self.connector.dial(
                &mut self.transport,
                Instant::ZERO,
                DIAL,
                (&host, port),
                TIMEOUT,
            )
        }

        /// Turns until the dial has ended.
        fn outcome(&mut self) -> Result<SocketAddr, NetworkError> {
            for _ in 0..1000 {
                let failed = self
                    .connector
                    .poll_failure(&mut self.transport, Instant::ZERO);
                if let Some((DIAL, error)) = failed {
                    return Err(error);
                }
                let mut out = Vec::new();
                let wait = Wait::Until(Duration::from_millis(50));
                self.transport
                    .turn(&mut self.pool, wait, &mut out)
                    .expect("a turn");
                for completion in out {
                    if let Some(outcome) = self.handle(completion) {
                        return outcome;
                    }
                }
            }
            panic!("the dial never ends");
        }

        fn handle(&mut self, completion: Completion) -> Option<Result<SocketAddr, NetworkError>> {
            match completion {
                Completion::Connected { dial, remote, .. } => {
                    self.connector.handle_connected(dial);
                    remote.socket_addr().map(Ok)
                }
                Completion::DialFailed { dial, error } => self
                    .connector
                    .handle_failed(&mut self.transport, Instant::ZERO, dial, error)
                    .map(Err),
                _ => None,
            }
        }
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        (listener, address)
    }

    #[test]
    fn an_address_is_dialed_without_a_resolver() {
        let mut rig = Rig::new();
        let (_listener, address) = listener();
        rig.dial(Host::Ip(address.ip()), address.port())
            .expect("starts");
        assert_eq!(rig.outcome(), Ok(address));
        assert!(!rig.connector.resolver.is_started());
        assert!(rig.connector.attempts.is_empty());
    }

    #[test]
    fn a_name_is_resolved_and_its_addresses_are_tried_in_turn() {
        let mut rig = Rig::new();
        // `localhost` may also mean ::1, where nobody listens on this port.
        let (_listener, address) = listener();
        rig.dial(Host::Name("localhost".into()), address.port())
            .expect("starts");
        assert_eq!(rig.outcome(), Ok(address));
        assert!(rig.connector.attempts.is_empty());
    }

    #[test]
    fn after_the_last_address_the_dial_is_over() {
        let mut rig = Rig::new();
        let (closed, address) = listener();
        drop(closed);
        let (closed, other) = listener();
        drop(closed);
        let attempt = Attempt {
            until: Instant::ZERO + TIMEOUT,
            rest: VecDeque::from([address, other]),
            resolving: false,
        };
        rig.connector.attempts.insert(DIAL, attempt);
        assert!(
            rig.connector
                .try_next(&mut rig.transport, Instant::ZERO, DIAL)
        );
        let error = rig.outcome().expect_err("nobody listens");
        assert!(
            matches!(
                error,
                NetworkError::Io {
                    operation: "connect",
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(rig.connector.attempts.is_empty());
    }

    #[test]
    fn a_name_that_cannot_exist_is_reported_with_the_name() {
        let mut rig = Rig::new();
        // A space is no part of a name, so no name server is asked.
        rig.dial(Host::Name("no such name".into()), 1)
            .expect("starts");
        let error = rig.outcome().expect_err("does not resolve");
        let NetworkError::Resolve { host, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(host, "no such name");
    }

    #[test]
    fn a_name_that_takes_too_long_times_out_and_its_late_answer_is_ignored() {
        let mut rig = Rig::new();
        let attempt = Attempt {
            until: Instant::ZERO + TIMEOUT,
            rest: VecDeque::new(),
            resolving: true,
        };
        rig.connector.attempts.insert(DIAL, attempt);
        assert_eq!(rig.connector.poll_timeout(), Some(Instant::ZERO + TIMEOUT));
        let early = Instant::from_nanos(TIMEOUT.as_nanos() as u64 - 1);
        assert_eq!(rig.connector.poll_failure(&mut rig.transport, early), None);
        let late = Instant::ZERO + TIMEOUT;
        let failed = rig.connector.poll_failure(&mut rig.transport, late);
        assert_eq!(failed, Some((DIAL, NetworkError::DialTimeout)));
        assert_eq!(rig.connector.poll_timeout(), None);

        let (_listener, address) = listener();
        let found = Ok(VecDeque::from([address]));
        rig.connector
            .resolver
            .answer_late(Answer { dial: DIAL, found });
        assert_eq!(rig.connector.poll_failure(&mut rig.transport, late), None);
        assert_eq!(rig.transport.link_count(), 0);
    }

    #[test]
    fn a_cancelled_dial_is_forgotten() {
        let mut rig = Rig::new();
        rig.dial(Host::Name("localhost".into()), 1).expect("starts");
        rig.connector.cancel(&mut rig.transport, DIAL);
        assert!(rig.connector.attempts.is_empty());
        assert_eq!(rig.connector.poll_timeout(), None);
    }
}
