//! [`Proofs`]: messages whose signatures are checked together.
//!
//! To check a signature costs more than all else that is done for a short message, and those of one turn cost half of it when they
//! are checked together. So what a turn brings waits for its end, or for [`TOGETHER_MAX`].

use ringwire_codec::key::{BatchVerifier, Signed};

use super::author::{Claim, Unproven};

/// Signatures that are checked at once: twice as many would save another 5 %.
const TOGETHER_MAX: usize = 16;

/// Messages that wait for their proof. `M` is what a conversation knows of each.
#[derive(Debug)]
pub(super) struct Proofs<M> {
    verifier: BatchVerifier,
    waiting: Vec<(Claim, M)>,
}

impl<M> Proofs<M> {
    /// Nothing waits. The secret is random bytes that nobody else knows.
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Proofs {
            verifier: BatchVerifier::new(secret),
            waiting: Vec::new(),
        }
    }

    /// A message waits.
    pub(super) fn push(&mut self, claim: Claim, message: M) {
        self.waiting.push((claim, message));
    }

    /// Whether so many wait that more would be no cheaper.
    pub(super) fn are_enough(&self) -> bool {
        self.waiting.len() >= TOGETHER_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Checks all that wait, in the order in which they came.
    pub(super) fn prove(&mut self) -> impl Iterator<Item = (M, Result<(), Unproven>)> + use<M> {
        let signed: Vec<Signed<'_>> = self.waiting.iter().map(|(it, _)| it.signed()).collect();
        let holds = self.verifier.verify(&signed);
        let messages = std::mem::take(&mut self.waiting).into_iter();
        messages.zip(holds).map(|((_, message), holds)| {
            let proven = holds.then_some(()).ok_or(Unproven::Forged);
            (message, proven)
        })
    }
}

#[cfg(test)]
mod tests {
    use ringwire_codec::NodeKey;

    use super::super::author::Author;
    use super::super::author::tests::signed;
    use super::*;

    /// Proofs with so many messages, each by another origin; the one at `forged` is signed by none.
    fn proofs(count: u8, forged: Option<u8>) -> Proofs<u8> {
        let author = Author::new("chain", 0x72);
        let mut proofs = Proofs::new([5; 32]);
        for at in 0..count {
            let key = NodeKey::from_seed([1 + at; 32]);
            let mut message = signed(&key, &author);
            message.seq += u64::from(forged == Some(at));
            proofs.push(author.claim(&message).expect("it is signed"), at);
        }
        proofs
    }

    #[test]
    fn each_message_comes_back_once_in_its_order_with_its_own_verdict() {
        for forged in [None, Some(0), Some(2), Some(4)] {
            let mut proofs = proofs(5, forged);
            let proven: Vec<_> = proofs.prove().collect();
            let expected = (0..5).map(|at| match forged == Some(at) {
                true => (at, Err(Unproven::Forged)),
                false => (at, Ok(())),
            });
            assert_eq!(proven, expected.collect::<Vec<_>>());
            assert!(proofs.is_empty() && proofs.prove().next().is_none());
        }
    }

    #[test]
    fn sixteen_are_enough() {
        assert!(!proofs(15, None).are_enough());
        assert!(proofs(16, None).are_enough());
    }
}
