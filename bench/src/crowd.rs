//! Thousands of peers that cost little: the pure connection over plain sockets, without an engine.
//!
//! A load generator must not be what is measured. A member of the crowd is a socket and a
//! connection; it has a thread only while it does something.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringwire::NodeInfo;
use ringwire::peer::Framing;
use ringwire_core::buffer::pool::RECV_HEADROOM;
use ringwire_core::buffer::{BufferPool, Chunk, PoolLimits};
use ringwire_core::conn::{MConnection, MConnectionConfig, Upgrade, UpgradeConfig};
use ringwire_core::time;

use crate::engine::{DATA, Failure, TX, VOTE, channel, node_key};
use crate::pair;

/// Connections that are made at the same time: within what a node allows, enough to keep it busy.
const AT_ONCE: usize = 8;
/// Payload bytes of the largest packet, on CometBFT framing: the reference's default.
const COMET_PAYLOAD: usize = 1024;
/// A time of no meaning: nothing of a member depends on it but pings, which it does not send.
const NOW: time::Instant = time::Instant::ZERO;

/// Peers of one node.
pub struct Crowd {
    framing: Framing,
    address: SocketAddr,
    members: Vec<Member>,
}

/// One peer.
struct Member {
    stream: TcpStream,
    connection: MConnection,
}

impl Crowd {
    /// A crowd of nobody.
    pub fn new(framing: Framing, address: SocketAddr) -> Self {
        Crowd {
            framing,
            address,
            members: Vec::new(),
        }
    }

    /// Connects `count` more peers, each with an identity of its own.
    ///
    /// # Errors
    /// The first failure of a socket or handshake.
    pub fn connect(&mut self, count: usize) -> Result<(), Failure> {
        let (framing, address) = (self.framing, self.address);
        let first = u32::try_from(self.members.len() + 1)?;
        let numbers = Mutex::new(first..first + u32::try_from(count)?);
        let connect_some = || -> Result<Vec<Member>, String> {
            let mut members = Vec::new();
            loop {
                let next = numbers.lock().expect("no holder panics").next();
                let Some(number) = next else {
                    return Ok(members);
                };
                let member = Member::connect(framing, address, number);
                members.push(member.map_err(|error| format!("peer {number}: {error}"))?);
            }
        };
        let joined: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(connect_some)).collect();
            let joins = threads.into_iter().map(|thread| thread.join());
            joins.map(|join| join.expect("no panic")).collect()
        });
        for members in joined {
            self.members.extend(members?);
        }
        Ok(())
    }

    /// Each member in turn sends a block part and waits for it to come back.
    ///
    /// # Errors
    /// The first failure of a connection.
    pub fn exchange(&mut self, bytes: usize) -> Result<(), Failure> {
        let mut pool = BufferPool::new(PoolLimits::default());
        let message = Bytes::from(vec![0x5a; bytes]);
        for member in &mut self.members {
            member.connection.try_send(NOW, DATA, message.clone())?;
            member.write(&mut pool)?;
            member.read_one(&mut pool)?;
            member.connection.park(&mut pool);
        }
        Ok(())
    }

    /// All members send transactions for `span`, each on a thread of its own.
    ///
    /// # Errors
    /// The first failure of a connection.
    pub fn flood(&mut self, bytes: usize, span: Duration) -> Result<(), Failure> {
        let message = Bytes::from(vec![0x5a; bytes]);
        let until = Instant::now() + span;
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .members
                .iter_mut()
                .map(|member| scope.spawn(|| member.flood(&message, until)))
                .collect();
            let mut joins = threads.into_iter().map(|thread| thread.join());
            joins.try_for_each(|join| join.expect("no panic"))
        })
        .map_err(Failure::from)
    }
}

impl Member {
    fn connect(framing: Framing, address: SocketAddr, number: u32) -> Result<Member, Failure> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut ephemeral_secret = [0xa5; 32];
        ephemeral_secret[..4].copy_from_slice(&number.to_be_bytes());
        let mut upgrade = Upgrade::new(UpgradeConfig {
            node_key: node_key(number).into(),
            ephemeral_secret,
            node_info: &node_info(number, framing),
            expected_id: None,
            packet_payload_max: COMET_PAYLOAD,
        });
        let mut room = vec![0; 4096];
        let upgraded = loop {
            while let Some(flight) = upgrade.poll_transmit() {
                stream.write_all(&flight)?;
            }
            let read = read_some(&mut stream, &mut room)?;
            if let Some(upgraded) = upgrade.handle_received(&room[..read])? {
                break upgraded;
            }
        };
        while let Some(flight) = upgrade.poll_transmit() {
            stream.write_all(&flight)?;
        }
        let config = MConnectionConfig {
            ping_interval: Duration::from_secs(3600),
            pong_timeout: Duration::from_secs(45),
            send_rate: 0,
            recv_rate: 0,
        };
        let channels = [
            channel(VOTE, 7, 100),
            channel(DATA, 10, 100),
            channel(TX, 5, 64),
        ];
        let connection = MConnection::new(config, &channels, upgraded.layer, NOW);
        Ok(Member { stream, connection })
    }

    /// Writes everything that is queued.
    fn write(&mut self, pool: &mut BufferPool) -> Result<(), Failure> {
        while let Some(buffers) = self.connection.poll_transmit(NOW, pool)? {
            for buffer in buffers {
                self.stream.write_all(&buffer)?;
                pool.give_back_send(buffer);
            }
        }
        Ok(())
    }

    /// Reads until one message is whole.
    fn read_one(&mut self, pool: &mut BufferPool) -> Result<(), Failure> {
        loop {
            let message = self.connection.next_message(NOW, pool, |_| true)?;
            if message.is_some() {
                return Ok(());
            }
            let mut bytes = pool.take_chunk().ok_or("the pool is used up")?;
            let read = read_some(&mut self.stream, &mut bytes[RECV_HEADROOM..])?;
            let chunk = Chunk {
                bytes,
                start: RECV_HEADROOM,
                end: RECV_HEADROOM + read,
            };
            self.connection.handle_received(chunk, NOW, pool);
        }
    }

    fn flood(&mut self, message: &Bytes, until: Instant) -> Result<(), String> {
        let mut pool = BufferPool::new(PoolLimits::default());
        while Instant::now() < until {
            while self.connection.can_send(TX) {
                let sent = self.connection.try_send(NOW, TX, message.clone());
                sent.map_err(|error| error.to_string())?;
            }
            self.write(&mut pool).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

fn read_some(stream: &mut TcpStream, room: &mut [u8]) -> io::Result<usize> {
    match stream.read(room)? {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the node hung up",
        )),
        read => Ok(read),
    }
}

fn node_info(number: u32, framing: Framing) -> NodeInfo {
    NodeInfo {
        node_id: node_key(number).id(),
        channels: [VOTE, DATA, TX].into_iter().collect(),
        moniker: String::from("crowd"),
        ..pair::node_info(0, framing)
    }
}
