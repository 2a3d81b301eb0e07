//! Who listens where: the network of a process.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringwire_core::config::ListenAddr;

use super::super::error::TransportError;
use super::end::End;
use super::inbox::{Arrival, Inbox};

/// Connections that wait at a listener at most, as at a socket.
const BACKLOG: usize = 1024;
/// The port of an address that the hub chose.
const PORT: u16 = 26_656;
/// The first port from which connections seem to come.
const EPHEMERAL_FIRST: u16 = 32_768;

/// A network in memory. Clones are the same network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hub(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    listeners: BTreeMap<SocketAddr, Queues>,
    /// Addresses given out so far.
    given: u32,
    /// Connections made so far.
    made: u64,
}

/// What listens at one address.
#[derive(Debug, Default)]
struct Queues {
    /// Its listeners that are not gone.
    listeners: usize,
    /// Where those that have a shard want connections left.
    inboxes: Vec<(u64, InboxRef)>,
    /// Whose turn it is.
    turn: usize,
}

/// An inbox in a table that is shown.
#[derive(Clone)]
struct InboxRef(Arc<Inbox>);

impl std::fmt::Debug for InboxRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inbox")
    }
}

/// What one shard accepts from at one address. Dropped, it stops.
#[derive(Debug)]
pub(crate) struct MemoryListener {
    hub: Hub,
    address: SocketAddr,
    number: u64,
}

impl Hub {
    /// An address that nobody has been given: 10.0.0.1 and up.
    pub(crate) fn next_address(&self) -> SocketAddr {
        let mut places = self.lock();
        places.given += 1;
        let ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + places.given);
        SocketAddr::new(IpAddr::V4(ip), PORT)
    }

    /// Listens at `addresses` for `shards` shards: what each accepts from.
    ///
    /// # Errors
    /// The first address that is in use, or is none that there are in memory.
    pub(crate) fn bind(
        &self,
        addresses: &[ListenAddr],
        shards: usize,
    ) -> Result<Vec<Vec<MemoryListener>>, TransportError> {
        let mut bound: Vec<Vec<_>> = (0..shards).map(|_| Vec::new()).collect();
        for address in addresses {
            let refused = |kind: io::ErrorKind, mend: &str| TransportError::Listen {
                address: address.clone(),
                source: kind.into(),
                mend: mend.to_owned(),
            };
            let Some(at) = address.socket_addr().filter(|at| at.port() != 0) else {
                let mend = "a network in memory has IPs with ports: take the address that it gives";
                return Err(refused(io::ErrorKind::Unsupported, mend));
            };
            if !self.claim(at, shards) {
                let mend = "another engine of this network has it: give each an address of its own";
                return Err(refused(io::ErrorKind::AddrInUse, mend));
            }
            for (number, listeners) in (0..).zip(&mut bound) {
                listeners.push(MemoryListener {
                    hub: self.clone(),
                    address: at,
                    number,
                });
            }
        }
        Ok(bound)
    }

    /// Takes an address for so many listeners, unless it is taken.
    fn claim(&self, at: SocketAddr, listeners: usize) -> bool {
        let mut places = self.lock();
        let is_free = !places.listeners.contains_key(&at);
        if is_free {
            let queues = Queues {
                listeners,
                ..Queues::default()
            };
            places.listeners.insert(at, queues);
        }
        is_free
    }

    /// Connects from `ip` to who listens at `remote`; his shards take turns.
    ///
    /// # Errors
    /// Nobody listens there, or he does not take what comes.
    pub(super) fn connect(&self, ip: IpAddr, remote: SocketAddr) -> io::Result<End> {
        let mut places = self.lock();
        places.made += 1;
        let port = EPHEMERAL_FIRST + (places.made % 28_000) as u16;
        let queues = places.listeners.get_mut(&remote);
        let Some(queues) = queues.filter(|queues| !queues.inboxes.is_empty()) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        queues.turn = (queues.turn + 1) % queues.inboxes.len();
        let (_, InboxRef(inbox)) = queues.inboxes[queues.turn].clone();
        drop(places);
        let [end, theirs] = End::pair();
        let arrival = Arrival {
            end: theirs,
            from: SocketAddr::new(ip, port),
        };
        match inbox.arrive(arrival, BACKLOG) {
            Ok(()) => Ok(end),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Changed in single steps: a panic cannot leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryListener {
    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has connections left in `inbox` from now on.
    pub(super) fn open(&self, inbox: Arc<Inbox>) {
        if let Some(queues) = self.hub.lock().listeners.get_mut(&self.address) {
            queues.inboxes.push((self.number, InboxRef(inbox)));
        }
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        let mut places = self.hub.lock();
        let Some(queues) = places.listeners.get_mut(&self.address) else {
            return;
        };
        queues.inboxes.retain(|(number, _)| *number != self.number);
        queues.listeners -= 1;
        if queues.listeners == 0 {
            places.listeners.remove(&self.address);
        }
    }
}
