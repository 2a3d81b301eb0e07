//! Engines whose key is with somebody else: in another thread, and slow, faulty or gone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use ringwire::error::{CloseReason, DialError, SignerError};
use ringwire::gossip::{Feeds, FeedsConfig};
use ringwire::{ChannelId, Engine, Event, PublicKey, Signer};
use ringwire_codec::NodeKey;

use crate::common::{
    CHANNEL, address, channel as declared, config, connect, echo_builder, skip_without_ring,
};

const WITHIN: Duration = Duration::from_secs(30);

type Answer = Result<[u8; 64], SignerError>;

/// Asks a thread that has the key, as a driver of a device would.
struct Keeper {
    public: PublicKey,
    questions: Mutex<Sender<(Vec<u8>, Sender<Answer>)>>,
}

impl Keeper {
    /// A keeper that makes its answers of key, message and the number of the question.
    fn new(mut answer: impl FnMut(&NodeKey, &[u8], usize) -> Answer + Send + 'static) -> Keeper {
        let key = NodeKey::from_seed([9; 32]);
        let public = key.public_key();
        let (questions, inbox) = channel::<(Vec<u8>, Sender<Answer>)>();
        std::thread::spawn(move || {
            for (number, (message, reply)) in inbox.into_iter().enumerate() {
                let _ = reply.send(answer(&key, &message, number));
            }
        });
        Keeper {
            public,
            questions: Mutex::new(questions),
        }
    }
}

impl Signer for Keeper {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Answer {
        let (reply, answer) = channel();
        let questions = self.questions.lock().expect("nobody panics with it");
        questions
            .send((message.to_vec(), reply))
            .expect("the keeper lives");
        drop(questions);
        answer.recv().expect("the keeper answers")
    }
}

fn engine(signer: impl Signer) -> Engine {
    let mut config = config();
    config.handshake_timeout = Duration::from_secs(5);
    Engine::builder(config)
        .signer(signer)
        .shards(2)
        .channel(declared())
        .start()
        .expect("an engine with a signer")
}

/// Why a dial did not come about.
fn refusal(from: &Engine, to: &Engine) -> String {
    match from.handle().dial_blocking(address(to.handle())) {
        Err(DialError::Closed(reason)) => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_slow_signer_delays_its_own_handshakes_and_not_the_messages_of_others() {
    if skip_without_ring() {
        return;
    }
    let echo = echo_builder(2, 1).start().expect("the echoing engine");
    let is_slow = std::sync::Arc::new(AtomicUsize::new(0));
    let pause = is_slow.clone();
    let slow = engine(Keeper::new(move |key, message, _| {
        std::thread::sleep(Duration::from_millis(pause.load(Ordering::Relaxed) as u64));
        Ok(key.sign(message))
    }));
    let handle = slow.handle();
    assert_eq!(handle.node_id(), NodeKey::from_seed([9; 32]).id());
    let mut answers = handle.subscribe(CHANNEL).expect("a subscription");
    let peer = connect(handle, echo.handle());

    // While the next handshakes wait a second each for the key, messages come back at once.
    is_slow.store(1000, Ordering::Relaxed);
    let others: Vec<_> = (2..4)
        .map(|seed| echo_builder(1, seed).start().expect("another engine"))
        .collect();
    let began = Instant::now();
    let dials: Vec<_> = others
        .iter()
        .map(|other| {
            let (from, to) = (other.handle().clone(), address(handle));
            std::thread::spawn(move || from.dial_blocking(to))
        })
        .collect();
    let mut slowest = Duration::ZERO;
    let mut round_trips = 0;
    while began.elapsed() < Duration::from_millis(800) {
        let sent = Instant::now();
        handle
            .send_blocking(peer, CHANNEL, "ping".into(), WITHIN)
            .expect("it is connected");
        answers.recv_timeout(WITHIN).expect("an answer");
        slowest = slowest.max(sent.elapsed());
        round_trips += 1;
    }
    assert!(
        round_trips > 5,
        "{round_trips} round trips, the slowest {slowest:?}"
    );
    for dial in dials {
        dial.join()
            .expect("no panic")
            .expect("the key signs in the end");
    }
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(handle.peers().len(), 3);
}

#[test]
fn a_signer_that_fails_or_panics_costs_that_connection_with_a_clear_error_and_the_next_one_stands()
{
    if skip_without_ring() {
        return;
    }
    let echo = echo_builder(1, 1).start().expect("the echoing engine");
    let faulty = engine(Faulty {
        keeper: Keeper::new(|key, message, number| match number {
            0 => Err(SignerError::new("the token was pulled out: put it back")),
            1 => Ok([0; 64]),
            _ => Ok(key.sign(message)),
        }),
        calls: AtomicUsize::new(0),
    });
    let mut events = faulty.handle().events();
    let said = refusal(&faulty, &echo);
    assert!(
        said.contains("the token was pulled out: put it back"),
        "{said}"
    );
    let said = refusal(&faulty, &echo);
    assert!(said.contains("is not of the key it told"), "{said}");
    let said = refusal(&faulty, &echo);
    assert!(
        said.contains("the signer panicked: a bug in its driver"),
        "{said}"
    );
    connect(faulty.handle(), echo.handle());

    // Who comes to it is told nothing but the end; the node itself hears why.
    let told = std::iter::from_fn(|| events.try_recv())
        .filter(|event| match event {
            Event::ConnectionRefused { reason, .. } => matches!(reason, CloseReason::Signing(_)),
            _ => false,
        })
        .count();
    assert_eq!(told, 3);
}

/// Panics at the third call, before the keeper is asked.
struct Faulty {
    keeper: Keeper,
    calls: AtomicUsize,
}

impl Signer for Faulty {
    fn public_key(&self) -> PublicKey {
        self.keeper.public_key()
    }

    fn sign(&self, message: &[u8]) -> Answer {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(call != 2, "a bug in its driver");
        self.keeper.sign(message)
    }
}

#[test]
fn a_signer_that_hangs_holds_up_neither_its_shard_nor_the_end_of_the_engine() {
    if skip_without_ring() {
        return;
    }
    let echo = echo_builder(1, 1).start().expect("the echoing engine");
    let hangs = engine(Keeper::new(|_, _, _| {
        loop {
            std::thread::park();
        }
    }));
    let said = refusal(&hangs, &echo);
    assert!(said.contains("no handshake within 5s"), "{said}");
    let began = Instant::now();
    hangs.handle().shutdown_blocking(WITHIN).expect("it ends");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_reactor_that_signs_is_refused_beside_a_signer_and_named() {
    let feeds = |is_signed| {
        let mut feeds = FeedsConfig::new(ChannelId(0x62), ChannelId(0x63));
        feeds.signed = is_signed;
        feeds
    };
    let started = |is_signed| {
        let keeper = Keeper::new(|key, message, _| Ok(key.sign(message)));
        Engine::builder(config())
            .signer(keeper)
            .shards(1)
            .reactor("txs", move |_| Feeds::new(feeds(is_signed)))
            .start()
    };
    if skip_without_ring() {
        return;
    }
    let error = started(true).expect_err("it could not sign").to_string();
    assert!(error.contains("`txs` signs with the node's key"), "{error}");
    started(false).expect("nobody signs but the handshake");
}
