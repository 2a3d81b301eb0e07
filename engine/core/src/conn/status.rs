//! What is known of a connection from outside: ages, queues, counters (conformance item 4).

use std::time::Duration;

use ringwire_codec::ChannelId;
use serde::Serialize;

use super::RoundTrip;
use crate::buffer::Framing;

/// Counters of one connection; every figure only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConnectionCounters {
    /// Bytes given to the socket, envelopes included.
    pub sent_bytes: u64,
    /// Bytes taken from the socket, envelopes included.
    pub received_bytes: u64,
    /// Messages whose last packet was sealed.
    pub sent_messages: u64,
    /// Messages delivered to whoever pulls.
    pub received_messages: u64,
    /// Message packets sealed.
    pub sent_packets: u64,
    /// Message packets opened.
    pub received_packets: u64,
    /// Times that received bytes were copied to lie behind one another.
    pub joins: u64,
    /// Bytes so copied.
    pub joined_bytes: u64,
    /// Pings that came too fast to be answered.
    pub pings_dropped: u64,
}

/// One channel of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStatus {
    /// Which channel.
    pub id: ChannelId,
    /// Messages its send queue takes.
    pub send_queue_capacity: usize,
    /// Messages in the queue, the one in transmission included.
    pub send_queue_size: usize,
    /// Weight among the channels.
    pub priority: u16,
    /// Bytes of packets sent of late: a fifth is forgotten every two seconds, as in the reference.
    pub recently_sent: u64,
}

/// A snapshot of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// How long the connection has been up.
    pub duration: Duration,
    /// The record layer in use.
    pub framing: Framing,
    /// Received bytes that nobody has pulled yet.
    pub recv_backlog_bytes: usize,
    /// How long the peer takes to answer pings; none before it answered one, a minute after the
    /// connection was made if the ping interval is the default.
    pub round_trip: Option<RoundTrip>,
    /// What it did so far.
    pub counters: ConnectionCounters,
    /// Its channels, in the order of their registration.
    pub channels: Vec<ChannelStatus>,
}
