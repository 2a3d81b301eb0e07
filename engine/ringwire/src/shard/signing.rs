//! Signatures of a key that is elsewhere, on a plain thread.
//!
//! A signer may be a device or another machine, and takes its time; it may also fail, hang or panic. So each
//! shard asks on a thread of its own, started with the first question, and hears the answers by the
//! waker of its transport. What hangs, hangs there: a connection waits no longer than its handshake may take.
//!
//! ```text
//!   ask ──▶ questions (≤ QUEUE_MAX) ──▶ thread: sign, verify ──▶ answers, wake ──▶ poll_answer
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::task::Waker;

use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::secret::CHALLENGE_BYTES;
use ringwire_codec::{PublicKey, Signer, SignerError};
use ringwire_core::peer::PeerKey;

use crate::shard::error::panic_message;
use crate::transport::affinity;

/// Links that may wait for the signer. More than this means that it is slower than peers come; then a quick
/// failure, after which they come again, serves better than a queue.
const QUEUE_MAX: usize = 64;

/// What a signer gave, or why not.
pub(super) type Signed = Result<[u8; SIGNATURE_BYTES], SignerError>;

/// A signer with the key that was asked of it at the start: who the node is does not change while it runs.
#[derive(Clone)]
pub(crate) struct RemoteKey {
    signer: Arc<dyn Signer>,
    public: PublicKey,
}

impl RemoteKey {
    /// Asks `signer` for its public key.
    pub(crate) fn new(signer: Arc<dyn Signer>) -> Self {
        let public = signer.public_key();
        RemoteKey { signer, public }
    }

    /// The key that was told.
    pub(crate) fn public(&self) -> PublicKey {
        self.public
    }

    /// Has a challenge signed. A signature that does not verify is an error here: the remote would hang up
    /// and could not say why.
    fn sign(&self, challenge: &[u8]) -> Signed {
        let signed = catch_unwind(AssertUnwindSafe(|| self.signer.sign(challenge)));
        let signature = signed.unwrap_or_else(|panic| {
            let message = panic_message(&*panic);
            tracing::error!(%message, "the panic of a signer was contained");
            Err(SignerError::new(format_args!(
                "the signer panicked: {message}"
            )))
        })?;
        match self.public.verify(challenge, &signature) {
            Ok(()) => Ok(signature),
            Err(_) => Err(SignerError::new(
                "the signer gave a signature that is not of the key it told at the start: has its key been \
                 replaced? Then start the node again",
            )),
        }
    }
}

/// What the thread is asked.
struct Question {
    link: PeerKey,
    challenge: [u8; CHALLENGE_BYTES],
}

/// The signatures that one shard waits for.
pub(super) struct Signing {
    /// None of a node that holds its key.
    key: Option<RemoteKey>,
    waker: Waker,
    /// Started with the first question.
    questions: Option<SyncSender<Question>>,
    answers: Receiver<(PeerKey, Signed)>,
    answer: Sender<(PeerKey, Signed)>,
    /// Questions without an answer.
    open: usize,
}

impl Signing {
    /// Signatures by `key`, whose answers use `waker`.
    pub(super) fn new(key: Option<RemoteKey>, waker: Waker) -> Self {
        let (answer, answers) = channel();
        Signing {
            key,
            waker,
            questions: None,
            answers,
            answer,
            open: 0,
        }
    }

    /// Asks for a signature for `link`.
    ///
    /// # Errors
    /// Too many wait, or there is no thread to be had.
    pub(super) fn ask(
        &mut self,
        link: PeerKey,
        challenge: [u8; CHALLENGE_BYTES],
    ) -> Result<(), SignerError> {
        let Some(key) = &self.key else {
            return Err(SignerError::new("the node has no signer"));
        };
        let questions = match &mut self.questions {
            Some(questions) => questions,
            none => {
                let started = start(key.clone(), self.answer.clone(), self.waker.clone());
                none.insert(started.map_err(|error| {
                    SignerError::new(format_args!("cannot start its thread: {error}"))
                })?)
            }
        };
        match questions.try_send(Question { link, challenge }) {
            Ok(()) => {
                self.open += 1;
                Ok(())
            }
            Err(TrySendError::Full(_)) => Err(SignerError::new(
                "too many connections wait for the signer: it is slower than peers come",
            )),
            Err(TrySendError::Disconnected(_)) => {
                self.questions = None;
                Err(SignerError::new("the signer's thread is gone"))
            }
        }
    }

    /// The next answer that has come.
    pub(super) fn poll_answer(&mut self) -> Option<(PeerKey, Signed)> {
        if self.open == 0 {
            return None;
        }
        let answer = self.answers.try_recv().ok()?;
        self.open -= 1;
        Some(answer)
    }
}

/// Starts the thread. It ends after the shard is gone; nobody joins it, because nothing can hurry a signer that
/// hangs.
fn start(
    key: RemoteKey,
    answer: Sender<(PeerKey, Signed)>,
    waker: Waker,
) -> std::io::Result<SyncSender<Question>> {
    let (questions, inbox) = sync_channel::<Question>(QUEUE_MAX);
    let work = move || {
        for Question { link, challenge } in inbox {
            let signed = key.sign(&challenge);
            if answer.send((link, signed)).is_err() {
                return;
            }
            waker.wake_by_ref();
        }
    };
    affinity::spawn("rw-signer", work)?;
    Ok(questions)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use ringwire_codec::NodeKey;

    use super::*;

    fn key() -> NodeKey {
        NodeKey::from_seed([7; 32])
    }

    /// A signer that does what it is told to, once the gate is open.
    struct Odd<F>(F, Mutex<()>);

    impl<F: Fn() -> Signed + Send + Sync + 'static> Signer for Odd<F> {
        fn public_key(&self) -> PublicKey {
            key().public_key()
        }

        fn sign(&self, _: &[u8]) -> Signed {
            drop(self.1.lock());
            (self.0)()
        }
    }

    fn signing(signer: impl Signer) -> Signing {
        let key = RemoteKey::new(Arc::new(signer));
        Signing::new(Some(key), Waker::noop().clone())
    }

    fn link(index: u32) -> PeerKey {
        PeerKey {
            index,
            generation: 0,
        }
    }

    fn answer(signing: &mut Signing) -> (PeerKey, Signed) {
        let start = Instant::now();
        loop {
            if let Some(answer) = signing.poll_answer() {
                return answer;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "no answer");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn refusal(signer: impl Signer) -> String {
        let mut signing = signing(signer);
        signing
            .ask(link(1), [3; CHALLENGE_BYTES])
            .expect("there is room");
        let (told, signed) = answer(&mut signing);
        assert_eq!(told, link(1));
        signed.expect_err("it cannot sign").to_string()
    }

    #[test]
    fn a_challenge_is_signed_and_told_of_its_link() {
        let mut signing = signing(key());
        assert!(signing.poll_answer().is_none());
        for index in 0..3 {
            signing.ask(link(index), [index as u8; 32]).expect("room");
        }
        for index in 0..3 {
            let (told, signed) = answer(&mut signing);
            assert_eq!(told, link(index));
            assert_eq!(signed, Ok(key().sign(&[index as u8; 32])));
        }
    }

    #[test]
    fn a_signer_that_fails_panics_or_has_another_key_is_an_error_that_says_so() {
        let lost = || Err(SignerError::new("the token was pulled out"));
        assert_eq!(
            refusal(Odd(lost, Mutex::default())),
            "the token was pulled out"
        );
        let panics = || -> Signed { panic!("a bug in the driver") };
        let said = refusal(Odd(panics, Mutex::default()));
        assert_eq!(said, "the signer panicked: a bug in the driver");
        let other = || Ok(NodeKey::from_seed([8; 32]).sign(&[3; CHALLENGE_BYTES]));
        let said = refusal(Odd(other, Mutex::default()));
        assert!(said.contains("is not of the key it told"), "{said}");
    }

    #[test]
    fn who_comes_while_too_many_wait_is_told_so_at_once() {
        let gate: &'static Mutex<()> = Box::leak(Box::default());
        let held = gate.lock().expect("nobody has it");
        let waits = move || {
            drop(gate.lock());
            Err(SignerError::new("late"))
        };
        let mut signing = signing(Odd(waits, Mutex::default()));
        // One is with the signer, or will be; the others wait.
        let asked = (0..)
            .take_while(|index| signing.ask(link(*index), [0; CHALLENGE_BYTES]).is_ok())
            .count();
        assert!((QUEUE_MAX..=QUEUE_MAX + 1).contains(&asked), "{asked}");
        drop(held);
        for _ in 0..asked {
            assert!(answer(&mut signing).1.is_err());
        }
        signing
            .ask(link(0), [0; CHALLENGE_BYTES])
            .expect("room again");
    }
}
