//! Listening sockets: each shard has its own of every TCP address, all on the same port; a Unix socket
//! belongs to one of them.
//!
//! Each shard accepts TCP from a socket of its own (`SO_REUSEPORT`), so the kernel spreads connections
//! over the shards and none hands sockets around. The price of that option is that a second
//! process of the same user could join the port unnoticed and take half of our connections. So the
//! first socket is bound once *without* the option, to see that the port is free. A Unix socket cannot be
//! shared so; its few connections are accepted on one shard and move to their homes like all others.
//!
//! A process that was killed leaves its port a moment later than its process id: the kernel still
//! takes its ring down, which holds the listening socket. Who restarts it at once would find the port
//! in use, so that answer is believed only when it stays the same for [`PATIENCE`].

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ringwire_core::config::ListenAddr;
use ringwire_core::peer::RemoteAddr;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::error::TransportError;
#[cfg(feature = "testing")]
use super::memory::{Hub, MemoryListener};
use unix::SocketFile;

mod unix;

/// Connections the kernel keeps per listener until they are accepted. It also caps this at
/// `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// Time in which a port in use may become free. A ring is taken down in milliseconds to some tenths
/// of a second; a service manager waits longer than this for a start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A socket to accept from.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    /// The path and the file of a Unix socket, which goes with the listener.
    unix: Option<(Arc<str>, SocketFile)>,
}

impl Listener {
    /// The socket.
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Who is at the other end of a connection that was accepted here from `address`. Nothing if it broke
    /// already. IPv4 seen through IPv6 is given as IPv4.
    pub(super) fn remote_of(&self, address: io::Result<SockAddr>) -> Option<RemoteAddr> {
        if let Some((path, _)) = &self.unix {
            return Some(RemoteAddr::Unix(Arc::clone(path)));
        }
        let mut remote = address.ok()?.as_socket()?;
        remote.set_ip(remote.ip().to_canonical());
        Some(remote.into())
    }

    /// The address of a TCP listener, with the port that the kernel chose.
    #[cfg(test)]
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?.as_socket();
        address.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
impl From<std::net::TcpListener> for Listener {
    fn from(listener: std::net::TcpListener) -> Self {
        Listener {
            socket: listener.into(),
            unix: None,
        }
    }
}

/// What one shard accepts from.
#[derive(Debug)]
pub(crate) enum Entrance {
    /// A socket.
    Socket(Listener),
    /// A place in a network in memory.
    #[cfg(feature = "testing")]
    Memory(MemoryListener),
}

impl From<Listener> for Entrance {
    fn from(listener: Listener) -> Self {
        Entrance::Socket(listener)
    }
}

#[cfg(test)]
impl From<std::net::TcpListener> for Entrance {
    fn from(listener: std::net::TcpListener) -> Self {
        Entrance::Socket(listener.into())
    }
}

/// The listeners of an engine.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Where they listen, in the order of the configuration: names resolved, ports as the kernel chose.
    pub(crate) addresses: Vec<ListenAddr>,
    /// What each shard accepts from.
    pub(crate) of_shards: Vec<Vec<Entrance>>,
}

/// Binds `addresses` for `shards` shards, all or none. Waits for [`PATIENCE`] while one is in use, also by
/// another program that shares ports; then that is a [`TransportError::Listen`], and so is one that is not
/// permitted. Waits for the resolver where an address is a name; of several addresses of a name the
/// first IPv4 one is taken, as Go's `net.Listen` takes it.
///
/// All of them take connections at once, into their backlogs: give each to its shard without
/// delay, and keep none.
///
/// # Errors
/// Those of the first address that cannot be had, which they name.
pub(crate) fn bind(addresses: &[ListenAddr], shards: usize) -> Result<Bound, TransportError> {
    bind_within(addresses, shards, PATIENCE)
}

/// The same in a network in memory.
///
/// # Errors
/// Another engine of the network has one of the addresses, or it is none of memory.
#[cfg(feature = "testing")]
pub(crate) fn bind_in_memory(
    hub: &Hub,
    addresses: &[ListenAddr],
    shards: usize,
) -> Result<Bound, TransportError> {
    let of_shards = hub.bind(addresses, shards)?.into_iter();
    let of_shards =
        of_shards.map(|listeners| listeners.into_iter().map(Entrance::Memory).collect());
    Ok(Bound {
        addresses: addresses.to_vec(),
        of_shards: of_shards.collect(),
    })
}

/// Listens at `address` for a moment, as an engine would, and stops: nobody who comes meanwhile is served.
/// The file of a dead process's Unix socket is removed. Does not wait for an address that is in use.
///
/// # Errors
/// Why an engine could not listen there, and how to mend that.
pub fn try_listen(address: &ListenAddr) -> Result<(), TransportError> {
    bind_within(std::slice::from_ref(address), 1, Duration::ZERO).map(drop)
}

/// The same with another patience, for each address.
fn bind_within(
    addresses: &[ListenAddr],
    shards: usize,
    patience: Duration,
) -> Result<Bound, TransportError> {
    let resolved: Vec<_> = addresses.iter().map(resolve).collect::<Result<_, _>>()?;
    let mut bound = Bound {
        addresses: Vec::with_capacity(addresses.len()),
        of_shards: (0..shards).map(|_| Vec::new()).collect(),
    };
    for (place, address) in resolved.iter().enumerate() {
        let wish = TcpWish {
            count: shards,
            is_v6_only: has_v4_twin(address, &resolved),
        };
        let listeners = retry(address, patience, || bind_now(address, wish))?;
        bound.addresses.push(match address {
            ListenAddr::Ip(wanted) => {
                let first = listeners
                    .first()
                    .map(|listener| listener.socket.local_addr());
                let taken = first.and_then(|address| address.ok()?.as_socket());
                taken.unwrap_or(*wanted).into()
            }
            other => other.clone(),
        });
        for (shard, listener) in listeners.into_iter().enumerate() {
            // One Unix socket is accepted from by one shard, the next one by the next.
            let shard = if listener.unix.is_some() {
                place
            } else {
                shard
            };
            bound.of_shards[shard % shards].push(listener.into());
        }
    }
    Ok(bound)
}

/// How a TCP address is bound.
#[derive(Clone, Copy)]
struct TcpWish {
    /// Sockets on its port.
    count: usize,
    /// Whether an IPv6 one leaves IPv4 alone.
    is_v6_only: bool,
}

/// An address without a name.
fn resolve(address: &ListenAddr) -> Result<ListenAddr, TransportError> {
    let ListenAddr::Name(name, port) = address else {
        return Ok(address.clone());
    };
    let unknown = |source| TransportError::ListenName {
        name: format!("{name}:{port}"),
        source,
    };
    let found: Vec<_> = (name.as_str(), *port)
        .to_socket_addrs()
        .map_err(unknown)?
        .collect();
    let first = found.iter().find(|found| found.is_ipv4()).or(found.first());
    let first = first.ok_or_else(|| unknown(io::ErrorKind::NotFound.into()))?;
    Ok((*first).into())
}

/// Whether an IPv4 address of the list has the port of this IPv6 one. `[::]` takes IPv4 as well, and
/// would stand against it.
fn has_v4_twin(address: &ListenAddr, all: &[ListenAddr]) -> bool {
    let Some(v6) = address.socket_addr().filter(SocketAddr::is_ipv6) else {
        return false;
    };
    let mut others = all.iter().filter_map(ListenAddr::socket_addr);
    others.any(|other| other.is_ipv4() && other.port() == v6.port() && v6.port() != 0)
}

/// Tries until the address is free, or is not in use but cannot be had, or patience ends.
fn retry(
    address: &ListenAddr,
    patience: Duration,
    bind: impl Fn() -> Result<Vec<Listener>, TransportError>,
) -> Result<Vec<Listener>, TransportError> {
    let (began, mut has_told) = (Instant::now(), false);
    loop {
        match bind() {
            Err(error) if is_in_use(&error) && began.elapsed() < patience => {
                if !has_told {
                    has_told = true;
                    tracing::info!(addr = %address, "the address is in use, waiting a moment for it");
                }
                thread::sleep(RETRY_PAUSE);
            }
            bound => return bound,
        }
    }
}

fn is_in_use(error: &TransportError) -> bool {
    matches!(error, TransportError::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
}

fn bind_now(address: &ListenAddr, wish: TcpWish) -> Result<Vec<Listener>, TransportError> {
    let refused = |source: io::Error, mend| TransportError::Listen {
        address: address.clone(),
        mend,
        source,
    };
    match address {
        ListenAddr::Ip(tcp) => bind_tcp(*tcp, wish).map_err(|source| {
            let mend = mend(&source, tcp.port());
            refused(source, mend)
        }),
        ListenAddr::Unix(path) => {
            let (socket, file) = unix::bind(Path::new(path), BACKLOG)
                .map_err(|fault| refused(fault.source, fault.mend))?;
            let unix = Some((path.as_str().into(), file));
            Ok(vec![Listener { socket, unix }])
        }
        ListenAddr::Name(..) => unreachable!("names were resolved before"),
    }
}

fn bind_tcp(address: SocketAddr, wish: TcpWish) -> io::Result<Vec<Listener>> {
    if address.port() != 0 {
        drop(tcp_socket(address, false, wish.is_v6_only)?);
    }
    let mut listeners = Vec::with_capacity(wish.count);
    let mut taken = address;
    for _ in 0..wish.count {
        let socket = tcp_socket(taken, wish.count > 1, wish.is_v6_only)?;
        socket.listen(BACKLOG)?;
        if let Some(local) = socket.local_addr()?.as_socket() {
            taken = local;
        }
        listeners.push(Listener { socket, unix: None });
    }
    Ok(listeners)
}

/// A bound socket. `is_shared` lets others with the same option join its port.
fn tcp_socket(address: SocketAddr, is_shared: bool, is_v6_only: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    if is_shared {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // [::] takes IPv4, too, whatever the sysctl says.
        socket.set_only_v6(is_v6_only)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// What the operator can do when a port cannot be had.
fn mend(error: &io::Error, port: u16) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program has the port, most likely another node (`ss -ltnp sport = :{port}` \
             names it): stop it or choose another port"
        ),
        io::ErrorKind::PermissionDenied => {
            String::from("ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher port")
        }
        io::ErrorKind::AddrNotAvailable => {
            String::from("the address is not one of this machine: listen on 0.0.0.0 or [::]")
        }
        _ => String::from("see bind(2) and listen(2)"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    use ringwire_core::config::{parse_listen_addr, parse_listen_addrs};

    use super::*;

    fn loopback() -> ListenAddr {
        parse_listen_addr("127.0.0.1:0").expect("an address")
    }

    /// What each shard accepts from, at one address.
    fn bind_one(address: &ListenAddr, shards: usize) -> Result<Bound, TransportError> {
        bind_within(std::slice::from_ref(address), shards, RETRY_PAUSE)
    }

    fn port_of(bound: &Bound) -> u16 {
        let address = bound.addresses[0].socket_addr();
        address.expect("a TCP address").port()
    }

    #[test]
    fn a_name_stands_for_its_first_ipv4_address_and_an_unknown_one_is_named() {
        assert_eq!(resolve(&loopback()).ok(), Some(loopback()));
        let found = resolve(&ListenAddr::Name("localhost".into(), 7));
        let found = found.expect("every machine has it").socket_addr();
        let found = found.expect("a TCP address");
        assert!(found.ip().is_loopback() && found.port() == 7, "{found}");
        let nowhere = ListenAddr::Name("nowhere.invalid".into(), 7);
        let text = resolve(&nowhere).expect_err("a reserved name").to_string();
        assert!(
            text.starts_with("cannot listen on nowhere.invalid:7: "),
            "{text}"
        );
        assert!(text.contains("p2p.laddr"), "{text}");
    }

    #[test]
    fn every_shard_gets_a_listener_on_the_same_port() {
        let bound = bind_one(&loopback(), 3).expect("a free port");
        assert_ne!(port_of(&bound), 0);
        for listeners in &bound.of_shards {
            let [Entrance::Socket(listener)] = &listeners[..] else {
                panic!("one each: {listeners:?}");
            };
            assert_eq!(listener.local_addr().unwrap().port(), port_of(&bound));
        }
    }

    #[test]
    fn a_port_in_use_is_refused_even_if_its_owner_shares_it() {
        let owner = bind_one(&loopback(), 2).expect("a free port");
        let taken = owner.addresses[0].clone();
        let error = bind_one(&taken, 2).expect_err("the port is taken");
        assert!(matches!(&error, TransportError::Listen { address, .. } if *address == taken));
        let (text, look) = (error.to_string(), format!("sport = :{}", port_of(&owner)));
        assert!(text.contains("another program has the port"), "{text}");
        assert!(text.contains(&look), "{text}");
        drop(owner);
        bind_one(&taken, 2).expect("the port is free again");
    }

    #[test]
    fn a_port_that_becomes_free_in_a_moment_is_waited_for() {
        let owner = bind_one(&loopback(), 1).expect("a free port");
        let taken = owner.addresses.clone();
        let leaving = thread::spawn(move || {
            thread::sleep(4 * RETRY_PAUSE);
            drop(owner);
        });
        bind_within(&taken, 1, Duration::from_secs(60)).expect("it was let go");
        leaving.join().expect("no panic");
    }

    #[test]
    fn what_does_not_pass_is_not_waited_for() {
        let foreign = [parse_listen_addr("192.0.2.1:7").expect("an address")];
        // Would run into the limit of every test runner.
        assert!(bind_within(&foreign, 1, Duration::from_secs(3600)).is_err());
    }

    #[test]
    fn a_foreign_address_is_refused_with_advice() {
        let foreign = parse_listen_addr("192.0.2.1:0").expect("an address");
        let error = bind_one(&foreign, 1).expect_err("not our address");
        assert!(error.to_string().contains("listen on 0.0.0.0"), "{error}");
    }

    fn has_ipv6() -> bool {
        let any = bind_one(&parse_listen_addr("[::]:0").expect("an address"), 1);
        if any.is_err() {
            eprintln!("skipped: this machine has no IPv6");
        }
        any.is_ok()
    }

    #[test]
    fn an_unspecified_ipv6_listener_takes_ipv4_as_well() {
        if has_ipv6() {
            let any = parse_listen_addr("[::]:0").expect("an address");
            let bound = bind_one(&any, 1).expect("a free port");
            TcpStream::connect(("127.0.0.1", port_of(&bound))).expect("connects by IPv4");
        }
    }

    #[test]
    fn both_families_may_be_listened_on_at_one_port() {
        if !has_ipv6() {
            return;
        }
        let port = port_of(&bind_one(&loopback(), 1).expect("a free port"));
        let both = format!("0.0.0.0:{port},[::]:{port}");
        let both = parse_listen_addrs(&both).expect("two addresses");
        let bound = bind_within(&both, 2, RETRY_PAUSE).expect("IPv6 leaves IPv4 alone");
        assert_eq!(bound.addresses, both);
        assert!(bound.of_shards.iter().all(|shard| shard.len() == 2));
        TcpStream::connect(("127.0.0.1", port)).expect("connects by IPv4");
        TcpStream::connect(("::1", port)).expect("connects by IPv6");
    }

    #[test]
    fn each_unix_socket_has_a_shard_and_all_is_let_go_when_one_address_cannot_be_had() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let list = format!("127.0.0.1:0,unix://{},unix://{}", path("a"), path("b"));
        let mut addresses = parse_listen_addrs(&list).expect("three addresses");
        let bound = bind_within(&addresses, 2, RETRY_PAUSE).expect("all are free");
        let counts: Vec<_> = bound.of_shards.iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 2], "a port each, and a Unix socket each");
        assert_eq!(bound.addresses[1..], addresses[1..]);
        UnixStream::connect(path("b")).expect("somebody listens");
        drop(bound);
        assert!(UnixStream::connect(path("b")).is_err());

        addresses.push(parse_listen_addr("192.0.2.1:7").expect("an address"));
        let error = bind_within(&addresses, 2, RETRY_PAUSE).expect_err("a foreign one");
        assert!(error.to_string().contains("192.0.2.1:7"), "{error}");
        let left = std::fs::read_dir(dir.path()).expect("a directory").count();
        assert_eq!(left, 0, "no file of a socket is left");
    }
}
