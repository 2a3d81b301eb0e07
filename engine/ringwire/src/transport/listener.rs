//! Listening sockets: one per shard, all on the same port.
//!
//! Each shard accepts from a socket of its own (`SO_REUSEPORT`), so the kernel spreads connections
//! over the shards and none hands sockets around. The price of that option is that a second
//! process of the same user could join the port unnoticed and take half of our connections. So the
//! first socket is bound once *without* the option, to see that the port is free.
//!
//! A process that was killed leaves its port a moment later than its process id: the kernel still
//! takes its ring down, which holds the listening socket. Who restarts it at once would find the port
//! in use, so that answer is believed only when it stays the same for [`PATIENCE`].

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::error::TransportError;

/// Connections the kernel keeps per listener until they are accepted. It also caps this at
/// `net.core.somaxconn`.
pub(crate) const BACKLOG: i32 = 1024;

/// Time in which a port in use may become free. A ring is taken down in milliseconds to some tenths
/// of a second; a service manager waits longer than this for a start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The address to bind: `address`, or with a `name` in place of its IP what that stands for. Of
/// several addresses the first IPv4 one is taken, as Go's `net.Listen` takes it. Waits for the
/// resolver.
///
/// # Errors
/// [`TransportError::ListenName`] if the name stands for no address.
pub(crate) fn resolve(
    name: Option<&str>,
    address: SocketAddr,
) -> Result<SocketAddr, TransportError> {
    let Some(name) = name else {
        return Ok(address);
    };
    let port = address.port();
    let unknown = |source| TransportError::ListenName {
        name: format!("{name}:{port}"),
        source,
    };
    let found: Vec<_> = (name, port).to_socket_addrs().map_err(unknown)?.collect();
    let first = found.iter().find(|found| found.is_ipv4()).or(found.first());
    first
        .copied()
        .ok_or_else(|| unknown(io::ErrorKind::NotFound.into()))
}

/// Binds `count` listeners to `address`, one per shard. Port 0 takes a free port, the same for
/// all: ask the first for it. Waits for [`PATIENCE`] while the port is in use, also by another program
/// that shares ports; then that is a [`TransportError::Listen`], and so is a port that is not permitted.
///
/// All of them take connections at once, into their backlogs: give each to its shard without
/// delay, and keep none.
pub(crate) fn bind(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, TransportError> {
    bind_within(address, count, PATIENCE)
}

/// The same with another patience.
fn bind_within(
    address: SocketAddr,
    count: usize,
    patience: Duration,
) -> Result<Vec<TcpListener>, TransportError> {
    let (began, mut has_told) = (Instant::now(), false);
    loop {
        match bind_now(address, count) {
            Err(error) if is_in_use(&error) && began.elapsed() < patience => {
                if !has_told {
                    has_told = true;
                    tracing::info!(addr = %address, "the port is in use, waiting a moment for it");
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

fn bind_now(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, TransportError> {
    let refused = |source: io::Error| TransportError::Listen {
        address,
        mend: mend(&source, address.port()),
        source,
    };
    if address.port() != 0 {
        drop(socket(address, false).map_err(refused)?);
    }
    let mut listeners: Vec<TcpListener> = Vec::with_capacity(count);
    let mut address_taken = address;
    for _ in 0..count {
        let socket = socket(address_taken, count > 1).map_err(refused)?;
        socket.listen(BACKLOG).map_err(refused)?;
        let listener = TcpListener::from(socket);
        address_taken = listener.local_addr().map_err(refused)?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// A bound socket. `shared` lets others with the same option join its port.
fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // [::] takes IPv4, too, whatever the sysctl says.
        socket.set_only_v6(false)?;
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

    use super::*;

    const LOOPBACK: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn a_name_stands_for_its_first_ipv4_address_and_an_unknown_one_is_named() {
        let placeholder = SocketAddr::from(([0, 0, 0, 0], 7));
        assert_eq!(resolve(None, placeholder).ok(), Some(placeholder));
        let found = resolve(Some("localhost"), placeholder).expect("every machine has it");
        assert!(found.ip().is_loopback() && found.port() == 7, "{found}");
        let error = resolve(Some("nowhere.invalid"), placeholder).expect_err("a reserved name");
        let text = error.to_string();
        assert!(
            text.starts_with("cannot listen on nowhere.invalid:7: "),
            "{text}"
        );
        assert!(text.contains("p2p.laddr"), "{text}");
    }

    #[test]
    fn every_shard_gets_a_listener_on_the_same_port() {
        let listeners = bind(LOOPBACK, 3).expect("a free port");
        let ports: Vec<_> = listeners
            .iter()
            .map(|l| l.local_addr().unwrap().port())
            .collect();
        assert_ne!(ports[0], 0);
        assert!(ports.iter().all(|port| *port == ports[0]));
    }

    #[test]
    fn a_port_in_use_is_refused_even_if_its_owner_shares_it() {
        let listeners = bind(LOOPBACK, 2).expect("a free port");
        let taken = listeners[0].local_addr().unwrap();
        let error = bind_within(taken, 2, RETRY_PAUSE).expect_err("the port is taken");
        assert!(matches!(error, TransportError::Listen { address, .. } if address == taken));
        let (text, look) = (error.to_string(), format!("sport = :{}", taken.port()));
        assert!(text.contains("another program has the port"), "{text}");
        assert!(text.contains(&look), "{text}");
        drop(listeners);
        bind(taken, 2).expect("the port is free again");
    }

    #[test]
    fn a_port_that_becomes_free_in_a_moment_is_waited_for() {
        let listeners = bind(LOOPBACK, 1).expect("a free port");
        let taken = listeners[0].local_addr().unwrap();
        let leaving = thread::spawn(move || {
            thread::sleep(4 * RETRY_PAUSE);
            drop(listeners);
        });
        bind_within(taken, 1, Duration::from_secs(60)).expect("it was let go");
        leaving.join().expect("no panic");
    }

    #[test]
    fn what_does_not_pass_is_not_waited_for() {
        let foreign = "192.0.2.1:7".parse().unwrap();
        // Would run into the limit of every test runner.
        assert!(bind_within(foreign, 1, Duration::from_secs(3600)).is_err());
    }

    #[test]
    fn a_foreign_address_is_refused_with_advice() {
        let error = bind("192.0.2.1:0".parse().unwrap(), 1).expect_err("not our address");
        assert!(error.to_string().contains("listen on 0.0.0.0"), "{error}");
    }

    #[test]
    fn an_unspecified_ipv6_listener_takes_ipv4_as_well() {
        let Ok(listeners) = bind("[::]:0".parse().unwrap(), 1) else {
            eprintln!("skipped: this machine has no IPv6");
            return;
        };
        let port = listeners[0].local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).expect("connects by IPv4");
    }
}
