//! Asking a reactor from outside: one shard's instance, that of a peer, or all.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{Answer, Answers, Ask, AskError, Reactor};
use ringwire_core::switch::{Command, Reply};
use ringwire_sync::{ReplyFuture, block_on, reply};

use crate::handle::handle::Handle;
use crate::handle::send::take_or_wait;
use crate::handle::wait::wait_for;
use crate::shard::request::Request;

/// The instances of one reactor of a running engine, to be asked. Cheap to clone.
///
/// A question waits for room in the shard's inbox, is answered in one turn of the shard, and its
/// answer comes back; `timeout` bounds all of it. A question whose time is over may still be
/// answered, to nobody.
#[derive(Debug)]
pub struct ReactorHandle<R> {
    handle: Handle,
    channel: Option<ChannelId>,
    reactor: PhantomData<fn() -> R>,
}

impl<R> Clone for ReactorHandle<R> {
    fn clone(&self) -> Self {
        ReactorHandle {
            handle: self.handle.clone(),
            channel: self.channel,
            reactor: PhantomData,
        }
    }
}

impl Handle {
    /// The instances of a reactor, to be asked. Of several reactors of one type it is the one that
    /// was registered first.
    pub fn reactor<R: Reactor>(&self) -> ReactorHandle<R> {
        ReactorHandle {
            handle: self.clone(),
            channel: None,
            reactor: PhantomData,
        }
    }

    /// As [`Handle::reactor`]; of several reactors of one type it is the one that owns the channel.
    pub fn reactor_on<R: Reactor>(&self, channel: ChannelId) -> ReactorHandle<R> {
        ReactorHandle {
            handle: self.clone(),
            channel: Some(channel),
            reactor: PhantomData,
        }
    }
}

impl<R: Reactor> ReactorHandle<R> {
    /// Asks the instance on one shard.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask<Q>(
        &self,
        shard: ShardId,
        question: Q,
        timeout: Duration,
    ) -> Result<R::Answer, AskError>
    where
        R: Answers<Q>,
        Q: Send + 'static,
    {
        self.begin(shard, question, timeout).await?.into_value()
    }

    /// Asks the instance on the shard where a peer lives.
    ///
    /// # Errors
    /// [`AskError::NotConnected`] if there is no such peer; else as [`ReactorHandle::ask`].
    pub async fn ask_at<Q>(
        &self,
        peer: NodeId,
        question: Q,
        timeout: Duration,
    ) -> Result<R::Answer, AskError>
    where
        R: Answers<Q>,
        Q: Send + 'static,
    {
        let entry = self.handle.node.directory.find(peer);
        let shard = entry.ok_or(AskError::NotConnected)?.shard();
        self.ask(shard, question, timeout).await
    }

    /// Asks the instances of all shards at once; their answers by shard.
    ///
    /// # Errors
    /// The first instance that does not answer spoils it.
    pub async fn ask_all<Q>(
        &self,
        question: Q,
        timeout: Duration,
    ) -> Result<Vec<R::Answer>, AskError>
    where
        R: Answers<Q>,
        Q: Clone + Send + 'static,
    {
        let mut asked = Vec::new();
        for shard in (0..self.handle.shard_count()).map(ShardId) {
            asked.push(Box::pin(self.ask(shard, question.clone(), timeout)));
        }
        // A `join_all` of a crate would bring the crate for this one call (docs/decisions, 41).
        let mut answers: Vec<Option<R::Answer>> = asked.iter().map(|_| None).collect();
        std::future::poll_fn(move |cx| {
            let mut is_done = true;
            for (asked, answer) in asked.iter_mut().zip(&mut answers) {
                if answer.is_none() {
                    match asked.as_mut().poll(cx) {
                        Poll::Ready(Ok(given)) => *answer = Some(given),
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => is_done = false,
                    }
                }
            }
            match is_done {
                true => Poll::Ready(Ok(answers.drain(..).flatten().collect())),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// [`ReactorHandle::ask`] for plain threads.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn ask_blocking<Q>(
        &self,
        shard: ShardId,
        question: Q,
        timeout: Duration,
    ) -> Result<R::Answer, AskError>
    where
        R: Answers<Q>,
        Q: Send + 'static,
    {
        block_on(self.ask(shard, question, timeout))
    }

    /// [`ReactorHandle::ask_all`] for plain threads.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn ask_all_blocking<Q>(
        &self,
        question: Q,
        timeout: Duration,
    ) -> Result<Vec<R::Answer>, AskError>
    where
        R: Answers<Q>,
        Q: Clone + Send + 'static,
    {
        block_on(self.ask_all(question, timeout))
    }

    /// Puts the question and waits for what comes back.
    async fn begin<Q>(
        &self,
        shard: ShardId,
        question: Q,
        timeout: Duration,
    ) -> Result<Answer, AskError>
    where
        R: Answers<Q>,
        Q: Send + 'static,
    {
        let node = &*self.handle.node;
        if shard.0 >= node.shard_count() {
            return Err(AskError::NoSuchReactor);
        }
        let mailbox = node.mailbox(shard);
        let over = || match mailbox.is_closed() {
            true => AskError::Stopped,
            false => AskError::Timeout,
        };
        let deadline = Some(node.clock.now() + timeout);
        let slot = wait_for(node, mailbox, deadline, |cx| {
            take_or_wait(mailbox, cx, |mailbox| mailbox.reserve(0))
        });
        let slot = slot.await.ok_or_else(over)?;
        let (sender, mut answer) = reply();
        let ask = Ask::new::<R, Q>(question);
        slot.fill(Request {
            command: Command::Ask {
                ask: match self.channel {
                    Some(channel) => ask.on(channel),
                    None => ask,
                },
                token: None,
            },
            reservation: None,
            reply: Some(sender),
        });
        mailbox.wake();
        let answer = wait_for(node, mailbox, deadline, |cx| take(&mut answer, cx));
        match answer.await.ok_or_else(over)? {
            Some(Reply::Answer(answer)) => answer,
            Some(_) | None => Err(AskError::Stopped),
        }
    }
}

/// What came back, if it did; nothing inside if the shard is gone.
fn take(answer: &mut ReplyFuture<Reply>, cx: &mut std::task::Context<'_>) -> Option<Option<Reply>> {
    match Pin::new(answer).poll(cx) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
