//! Mixed sizes on several channels, in both directions at once.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use ringwire::Handle;
use ringwire::peer::Framing;
use ringwire_codec::{ChannelId, NodeId};

use crate::support::node::{BULK, Node};
use crate::support::traffic::{Digest, Traffic};
use crate::{FRAMINGS, alone, start};

const WITHIN: Duration = Duration::from_secs(20);

/// Messages, bytes and digest of one channel in one direction.
type Sum = (u64, u64, blake3::Hash);

/// Mebibytes to move on each record layer.
fn bulk_mib() -> usize {
    let asked = std::env::var("RINGWIRE_BULK_MIB").ok();
    asked.map_or(1024, |text| {
        text.parse().expect("RINGWIRE_BULK_MIB is a number of MiB")
    })
}

/// What one side sends on a channel. Each side and channel has its share and its seed.
fn traffic(from: u64, channel: ChannelId) -> Traffic {
    let share = (bulk_mib() << 20) / (2 * BULK.len());
    Traffic::new(from << 8 | u64::from(channel.0), share)
}

#[test]
fn bulk_between_two_engines_arrives_unchanged_on_both_record_layers() {
    let _alone = alone();
    for (framing, wide) in FRAMINGS {
        let (Some(left), Some(right)) = (start(1, wide), start(2, wide)) else {
            return;
        };
        let dialed = left.engine.handle().dial_blocking(right.address());
        assert_eq!(dialed, Ok(right.engine.handle().node_id()), "{framing:?}");
        right
            .engine
            .handle()
            .wait_for_peers_blocking(1, WITHIN)
            .expect("both sides admitted");
        assert_eq!(left.engine.handle().peers()[0].framing, framing);
        assert_eq!(right.engine.handle().peers()[0].framing, framing);
        let began = Instant::now();
        exchange(&left, &right);
        report(framing, began.elapsed());
    }
}

fn report(framing: Framing, took: Duration) {
    let (mib, seconds) = (bulk_mib(), took.as_secs_f64());
    println!(
        "{framing:?}: {mib} MiB in {seconds:.2} s, {:.0} MiB/s",
        mib as f64 / seconds
    );
}

/// Runs both directions to their ends and compares what was sent with what came.
fn exchange(left: &Node, right: &Node) {
    let (left_handle, right_handle) = (left.engine.handle(), right.engine.handle());
    let (left_id, right_id) = (
        left.engine.handle().node_id(),
        right.engine.handle().node_id(),
    );
    thread::scope(|scope| {
        let to_left = scope.spawn(|| receive_all(left_handle, right_id, 2));
        let to_right = scope.spawn(|| receive_all(right_handle, left_id, 1));
        let from_left = scope.spawn(|| send_all(left_handle, right_id, 1));
        let from_right = scope.spawn(|| send_all(right_handle, left_id, 2));
        let [to_left, to_right, from_left, from_right] =
            [to_left, to_right, from_left, from_right].map(|end| end.join().expect("no end fails"));
        assert_eq!(from_left, to_right);
        assert_eq!(from_right, to_left);
    });
}

/// Sends on all channels at once; what was sent on each.
fn send_all(handle: &Handle, to: NodeId, from: u64) -> BTreeMap<ChannelId, Sum> {
    on_each_channel(|channel| {
        let mut digest = Digest::default();
        for message in traffic(from, channel) {
            digest.add(&message);
            handle
                .send_blocking(to, channel, message, WITHIN)
                .expect("the other side reads on");
        }
        digest.finish()
    })
}

/// Receives on all channels at once; what came on each.
fn receive_all(handle: &Handle, from: NodeId, sender: u64) -> BTreeMap<ChannelId, Sum> {
    on_each_channel(|channel| {
        let wanted: u64 = traffic(sender, channel)
            .map(|message| message.len() as u64)
            .sum();
        let mut messages = handle.subscribe(channel).expect("the channel is declared");
        let mut digest = Digest::default();
        while digest.bytes < wanted {
            let delivery = messages
                .recv_timeout(WITHIN)
                .expect("the other side writes on");
            assert_eq!((delivery.peer, delivery.channel), (from, channel));
            digest.add(&delivery.message);
        }
        digest.finish()
    })
}

fn on_each_channel(run: impl Fn(ChannelId) -> Sum + Sync) -> BTreeMap<ChannelId, Sum> {
    let run = &run;
    thread::scope(|scope| {
        let ends = BULK.map(|channel| (channel, scope.spawn(move || run(channel))));
        ends.into_iter()
            .map(|(channel, end)| (channel, end.join().expect("no end fails")))
            .collect()
    })
}
