//! What a connection takes from the node's configuration.

use std::time::Duration;

use crate::config::{Config, ConfigError};

/// The settings of a connection that come from the node's configuration.
#[derive(Clone, Copy, Debug)]
pub struct MConnectionConfig {
    /// Pause between pings.
    pub ping_interval: Duration,
    /// Time a peer has to answer a ping; shorter than the interval.
    pub pong_timeout: Duration,
    /// Bytes of packets per second to the peer; zero means unlimited.
    pub send_rate: u64,
    /// Bytes of packets per second from the peer; zero means unlimited.
    pub recv_rate: u64,
}

impl MConnectionConfig {
    /// Takes what concerns a connection out of the node's configuration.
    ///
    /// # Errors
    /// `pong_timeout` is not shorter than `ping_interval`, or zero: the reference refuses to start.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        if config.pong_timeout >= config.ping_interval || config.pong_timeout.is_zero() {
            return Err(ConfigError::new(
                "pong_timeout",
                format!(
                    "{:?} must be more than zero and shorter than ping_interval, {:?}",
                    config.pong_timeout, config.ping_interval
                ),
            ));
        }
        Ok(MConnectionConfig {
            ping_interval: config.ping_interval,
            pong_timeout: config.pong_timeout,
            send_rate: config.send_rate,
            recv_rate: config.recv_rate,
        })
    }
}
