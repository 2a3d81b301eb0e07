//! Two nodes in one tokio program talk to each other.
//!
//! The engines run on threads of their own; the program only holds handles. Each node reads its
//! subscription in a task and answers what it hears.
//!
//! ```text
//! cargo run --release -p ringwire --example tokio_chat
//! ```
//!
//! In a crate of its own it needs
//!
//! ```toml
//! [dependencies]
//! ringwire = "0.1"
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```

use std::error::Error;
use std::time::Duration;

use ringwire::ChannelId;
use ringwire::Config;
use ringwire::bytes::Bytes;
use ringwire::reactor::ChannelDescriptor;
use ringwire::{Engine, Handle, Subscription};

/// Both sides must agree on the channel's id.
const CHAT: ChannelId = ChannelId(0x70);
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let alice = start("alice")?;
    let bob = start("bob")?;

    // A channel's messages wait for its first subscriber, so nothing is missed.
    let bob_hears = bob.handle().subscribe(CHAT)?;
    let mut alice_hears = alice.handle().subscribe(CHAT)?;
    let answering = tokio::spawn(answer("bob", bob.handle().clone(), bob_hears));

    let address = format!("{}@{}", bob.handle().node_id(), bob.handle().listen_addr()).parse()?;
    let peer = alice.handle().dial(address).await?;
    for connected in alice.handle().peers() {
        println!(
            "alice is connected to {} with {:?} framing",
            connected.id, connected.framing
        );
    }

    for line in ["hello bob", "how is the weather?", "see you"] {
        println!("alice: {line}");
        alice
            .handle()
            .send(peer, CHAT, Bytes::from(line), PATIENCE)
            .await?;
        let heard = alice_hears.recv().await.ok_or("the engine has ended")?;
        println!("alice heard: {}", String::from_utf8_lossy(&heard.message));
    }

    alice.handle().shutdown(PATIENCE).await?;
    bob.handle().shutdown(PATIENCE).await?;
    println!("bob answered {} messages", answering.await?);
    Ok(())
}

/// A node on a free port of this machine.
fn start(moniker: &str) -> Result<Engine, Box<dyn Error>> {
    let config = Config {
        moniker: moniker.to_string(),
        listen_addrs: vec!["127.0.0.1:0".parse()?],
        ..Config::default()
    };
    Ok(Engine::builder(config)
        .shards(1)
        .channel(ChannelDescriptor::new(CHAT, 1))
        .start()?)
}

/// Answers every message until the engine ends, and counts them.
async fn answer(name: &str, node: Handle, mut messages: Subscription) -> usize {
    let mut answered = 0;
    while let Some(heard) = messages.recv().await {
        let text = format!("{name} got \"{}\"", String::from_utf8_lossy(&heard.message));
        match node
            .send(heard.peer, CHAT, Bytes::from(text), PATIENCE)
            .await
        {
            Ok(()) => answered += 1,
            Err(error) => eprintln!("{name} cannot answer: {error}"),
        }
    }
    answered
}
