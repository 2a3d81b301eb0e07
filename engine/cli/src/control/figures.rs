//! The figures of a node as JSON, made from the engine's own types: what they count is shown, without a
//! list here that somebody would have to keep complete.

use std::collections::BTreeMap;

use ringwire::metrics::ShardStatus;
use ringwire::metrics::{ChannelStatus, ConnectionStatus};
use serde_json::{Map, Value, json};

/// The counters of all shards together.
pub(super) fn counters(shards: &[ShardStatus]) -> Value {
    let mut total = Value::Null;
    for shard in shards {
        add(&mut total, of_shard(shard));
    }
    total
}

fn of_shard(shard: &ShardStatus) -> Value {
    // Taken apart whole, so that a figure more cannot be left out here.
    let ShardStatus {
        shard: _,
        metrics,
        reactors: _,
        peers: _,
        system_calls,
        refused_system_calls,
    } = shard;
    let mut figures = serde_json::to_value(metrics).expect("metrics are plain numbers");
    figures["system_calls"] = json!(system_calls);
    figures["refused_system_calls"] = json!(refused_system_calls);
    figures
}

/// Adds numbers to numbers, name by name.
fn add(total: &mut Value, more: Value) {
    match (total, more) {
        (Value::Object(total), Value::Object(more)) => {
            for (name, value) in more {
                add(total.entry(name).or_insert(Value::Null), value);
            }
        }
        (total @ Value::Null, more) => *total = more,
        (total, more) => {
            let sum = total.as_u64().unwrap_or_default() + more.as_u64().unwrap_or_default();
            *total = json!(sum);
        }
    }
}

/// The figures of one connection: its own counters and what its channels hold.
pub(super) fn of_connection(status: &ConnectionStatus) -> Map<String, Value> {
    let ConnectionStatus {
        duration,
        framing: _,
        recv_backlog_bytes,
        round_trip,
        counters,
        channels,
    } = status;
    let counters = serde_json::to_value(counters).expect("counters are plain numbers");
    let Value::Object(mut figures) = counters else {
        unreachable!("a struct with named fields is an object");
    };
    let by_channel = |of: fn(&ChannelStatus) -> Value| -> BTreeMap<String, Value> {
        let named = channels
            .iter()
            .map(|channel| (channel.id.to_string(), of(channel)));
        named.collect()
    };
    let queued = by_channel(|channel| json!(channel.send_queue_size));
    let channels = by_channel(|channel| {
        json!({
            "priority": channel.priority,
            "queued_messages": channel.send_queue_size,
            "queue_capacity": channel.send_queue_capacity,
            "recently_sent_bytes": channel.recently_sent,
        })
    });
    figures.extend([
        (
            String::from("connected_seconds"),
            json!(duration.as_secs_f64()),
        ),
        (String::from("held_bytes"), json!(recv_backlog_bytes)),
        (String::from("round_trip"), json!(round_trip)),
        (String::from("queued_messages"), json!(queued)),
        (String::from("channels"), json!(channels)),
    ]);
    figures
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringwire::ChannelId;
    use ringwire::metrics::{ChannelMetrics, Metrics};
    use ringwire::peer::ShardId;

    use super::*;

    fn shard(crowded: u64, received_messages: u64) -> ShardStatus {
        let mut metrics = Metrics::default();
        metrics.refusals.crowded = crowded;
        metrics.recv_held_bytes = 10;
        let mut channel = ChannelMetrics::default();
        (channel.channel, channel.received_messages) = (ChannelId(0x22), received_messages);
        channel.send_time.record(Duration::from_millis(2));
        metrics.channels = vec![channel];
        ShardStatus {
            shard: ShardId(0),
            metrics,
            reactors: Vec::new(),
            peers: Vec::new(),
            system_calls: 5,
            refused_system_calls: 1,
        }
    }

    #[test]
    fn counters_are_the_sum_over_the_shards_down_to_reasons_and_channels() {
        let total = counters(&[shard(2, 7), shard(3, 1)]);
        assert_eq!(total["refused"]["crowded"], 5);
        assert_eq!(total["recv_held_bytes"], 20);
        assert_eq!(total["reactor_panics"], 0);
        assert_eq!(total["channels"]["0x22"]["received_messages"], 8);
        let sent = &total["channels"]["0x22"]["send_time"];
        assert_eq!(sent["count"], 2);
        assert_eq!(sent["buckets"], json!({ "2000000": 2 }));
        assert_eq!(total["system_calls"], 10);
        assert_eq!(total["refused_system_calls"], 2);
    }
}
