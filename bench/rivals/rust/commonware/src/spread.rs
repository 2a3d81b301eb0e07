//! Messages to every receiver, within a window of what was acknowledged.

use std::sync::Arc;

use bytes::Bytes;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::IoBuf;
use rival::{Failure, Outcome, Stopwatch, Tally, Task, Work, acknowledged_each, window};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::node::{Channel, Node};

pub(crate) async fn spread(hub: Node, leaves: Vec<Node>, work: &Work) -> Result<Outcome, Failure> {
    let message = IoBuf::from(Bytes::from(vec![0x5a; work.bytes]));
    let keys: Vec<PublicKey> = leaves.iter().map(|leaf| leaf.key.clone()).collect();
    let room = Arc::new(Semaphore::new(window(work.bytes)));
    let stopwatch = Stopwatch::start();
    let (mut senders, mut receivers) = (JoinSet::new(), JoinSet::new());
    let tally = Tally::default();
    let acknowledged = tokio::spawn(make_room(hub.control, keys.clone(), room.clone()));
    for _ in 0..work.senders {
        let (share, to) = (work.count / work.senders, keys.clone());
        let channel = hub.data.0.clone();
        senders.spawn(send(channel, to, message.clone(), share, room.clone()));
    }
    for leaf in leaves {
        let tally = tally.clone();
        receivers.spawn(count(leaf, hub.key.clone(), work.count, work.bytes, tally));
    }
    if work.task == Task::Timeframe {
        // A sender or receiver that ends before its time has failed.
        let ended = tokio::select! {
            () = tokio::time::sleep(work.span) => None,
            ended = senders.join_next() => ended.map(|ended| ended.map(drop)),
            ended = receivers.join_next() => ended.map(|ended| ended.map(drop)),
        };
        return match ended {
            None => Ok(stopwatch.moved_messages(work, tally.messages())),
            Some(_) => Err("a sender or receiver has ended early".into()),
        };
    }
    for done in senders.join_all().await {
        done?;
    }
    // The nodes live on until every message was counted.
    let mut nodes = Vec::new();
    for done in receivers.join_all().await {
        nodes.push(done?);
    }
    let outcome = stopwatch.moved(work);
    acknowledged.abort();
    drop(nodes);
    Ok(outcome)
}

async fn send(
    mut channel: commonware_p2p::authenticated::lookup::Sender<
        PublicKey,
        commonware_runtime::tokio::Context,
    >,
    keys: Vec<PublicKey>,
    message: IoBuf,
    count: usize,
    room: Arc<Semaphore>,
) -> Result<(), Failure> {
    let to = match keys.as_slice() {
        [only] => Recipients::One(only.clone()),
        _ => Recipients::All,
    };
    for _ in 0..count {
        room.acquire().await?.forget();
        let taken = channel.send(to.clone(), message.clone(), false);
        if taken.len() != keys.len() {
            let (taken, all) = (taken.len(), keys.len());
            return Err(format!("a message found room for {taken} of {all} receivers").into());
        }
    }
    Ok(())
}

/// Gives room for what the slowest receiver has acknowledged.
async fn make_room(
    mut control: Channel,
    keys: Vec<PublicKey>,
    room: Arc<Semaphore>,
) -> Result<(), Failure> {
    let mut counted = vec![0u64; keys.len()];
    let mut given = 0;
    loop {
        let (from, message) = control.1.recv().await?;
        let count: [u8; 8] = message.as_ref().try_into()?;
        let leaf = keys.iter().position(|key| *key == from);
        counted[leaf.ok_or("a stranger acknowledges")?] = u64::from_le_bytes(count);
        let all = counted.iter().copied().min().unwrap_or_default();
        room.add_permits(usize::try_from(all - given)?);
        given = all;
    }
}

async fn count(
    mut leaf: Node,
    hub: PublicKey,
    expected: usize,
    message_bytes: usize,
    tally: Tally,
) -> Result<Node, Failure> {
    let each = acknowledged_each(message_bytes);
    for received in 1..=expected {
        let (_, message) = leaf.data.1.recv().await?;
        check(&message, message_bytes)?;
        tally.add();
        if received % each == 0 {
            let count = Bytes::copy_from_slice(&(received as u64).to_le_bytes());
            let to = Recipients::One(hub.clone());
            if leaf.control.0.send(to, IoBuf::from(count), true).is_empty() {
                return Err("an acknowledgement found no room".into());
            }
        }
    }
    Ok(leaf)
}

/// A message has the size that was sent.
pub(crate) fn check(message: &IoBuf, bytes: usize) -> Result<(), Failure> {
    match message.len() == bytes {
        true => Ok(()),
        false => Err(format!("a message of {} bytes, not {bytes}", message.len()).into()),
    }
}
