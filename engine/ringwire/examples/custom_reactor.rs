//! A protocol of one's own: a reactor that plays ball with its peers.
//!
//! A reactor lives on the shards, beside the sockets: one instance per shard, no locks. Here the
//! node that dialed serves some balls to each peer, every node throws back what it catches, and
//! the program counts the throws.
//!
//! ```text
//! cargo run --release -p ringwire --example custom_reactor
//! ```
//!
//! In a crate of its own it needs
//!
//! ```toml
//! [dependencies]
//! ringwire = "0.1"
//! ```

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringwire::ChannelId;
use ringwire::Config;
use ringwire::Engine;
use ringwire::bytes::Bytes;
use ringwire::peer::{Direction, PeerInfo};
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};

const BALLS: ChannelId = ChannelId(0x71);
/// Balls in the air per peer.
const BALLS_PER_PEER: usize = 32;
const BALL_BYTES: usize = 256;

struct PlayBall {
    /// Shared by the instances of all shards; a metric, so relaxed counting will do.
    throws: Arc<AtomicU64>,
}

impl Reactor for PlayBall {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        // Room for all balls: `Full` cannot be the answer below.
        let send_queue_capacity = BALLS_PER_PEER;
        vec![ChannelDescriptor {
            send_queue_capacity,
            ..ChannelDescriptor::new(BALLS, 1)
        }]
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, _: &mut ()) {
        if peer.direction == Direction::Inbound {
            return;
        }
        for _ in 0..BALLS_PER_PEER {
            if let Err(error) = cx.try_send(peer.key, BALLS, Bytes::from(vec![0; BALL_BYTES])) {
                eprintln!("cannot serve: {error}");
            }
        }
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        // An error closes the peer: whoever breaks the rules does not play on.
        if envelope.message.len() != BALL_BYTES {
            return Err(ReactorError::new("that is not a ball"));
        }
        self.throws.fetch_add(1, Ordering::Relaxed);
        cx.try_send(envelope.from.key, BALLS, envelope.message)
            .map_err(|error| ReactorError::transient(error.to_string()))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let throws = Arc::new(AtomicU64::new(0));
    let left = start(&throws)?;
    let right = start(&throws)?;
    let address = format!(
        "{}@{}",
        right.handle().node_id(),
        right.handle().listen_addr()
    )
    .parse()?;
    left.handle().dial_blocking(address)?;

    let mut before = 0;
    for second in 1..=3 {
        std::thread::sleep(Duration::from_secs(1));
        let now = throws.load(Ordering::Relaxed);
        println!("second {second}: {} throws", now - before);
        before = now;
    }

    left.handle().shutdown_blocking(Duration::from_secs(1))?;
    right.handle().shutdown_blocking(Duration::from_secs(1))?;
    println!("{before} throws of {BALL_BYTES} bytes, {BALLS_PER_PEER} balls in the air");
    Ok(())
}

fn start(throws: &Arc<AtomicU64>) -> Result<Engine, Box<dyn Error>> {
    // The rates of the reference, 5 MB/s each way, would be what we measure.
    let config = Config {
        listen_addrs: vec!["127.0.0.1:0".parse()?],
        send_rate: 0,
        recv_rate: 0,
        ..Config::default()
    };
    let throws = throws.clone();
    let play = move |_shard| PlayBall {
        throws: throws.clone(),
    };
    Ok(Engine::builder(config)
        .shards(1)
        .reactor("ball", play)
        .start()?)
}
