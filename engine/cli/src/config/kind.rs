//! The kinds of values: how each is read from TOML, and how it is written.

use std::time::Duration;

use ringwire::{PinShards, TransportChoice};
use ringwire_codec::{NetAddress, NodeId};
use ringwire_core::config::{PACKET_PAYLOAD_BYTES_MAX, PACKET_PAYLOAD_SENT_MAX, duration};
use toml::de::DeValue;

use super::lists;
use super::weak::{self, Read};
use crate::gossip_way::Gossip;

/// `text` as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// How one kind of value is read and written: `read` takes a TOML value, `show` makes one.
macro_rules! kind {
    ($name:ident, $type:ty, $read:expr, $show:expr) => {
        pub(super) mod $name {
            use super::*;

            pub(in crate::config) fn read(value: &DeValue<'_>) -> Result<Read<$type>, String> {
                let read: fn(&DeValue<'_>) -> Result<Read<$type>, String> = $read;
                read(value)
            }

            pub(in crate::config) fn show(value: &$type) -> String {
                let show: fn(&$type) -> String = $show;
                show(value)
            }
        }
    };
}

kind!(text, String, weak::text, |text| quoted(text));
kind!(
    optional_text,
    Option<String>,
    |value| {
        let text = weak::text(value)?;
        Ok(text.map(|text| Some(text).filter(|text| !text.is_empty())))
    },
    |text| quoted(text.as_deref().unwrap_or_default())
);
kind!(addresses, Vec<NetAddress>, lists::addresses, |addresses| {
    quoted(&joined(addresses))
});
kind!(ids, Vec<NodeId>, lists::ids, |ids| quoted(&joined(ids)));
kind!(private_ids, Vec<NodeId>, lists::private_ids, |ids| quoted(
    &joined(ids)
));
kind!(
    count,
    usize,
    |value| {
        weak::number(value)?.and_then(|number| {
            let number = usize::try_from(number).map_err(|_| String::from("is too large"))?;
            Ok(Read::plain(number))
        })
    },
    usize::to_string
);
kind!(
    payload,
    usize,
    |value| count::read(value)?.and_then(|written| Ok(payload_within(written))),
    usize::to_string
);
kind!(rate, u64, weak::number, u64::to_string);
kind!(flag, bool, weak::flag, bool::to_string);
kind!(time, Duration, weak::time, |time| quoted(
    &duration::format(*time)
));

kind!(
    pin,
    PinShards,
    |value| weak::text(value)?.and_then(|text| text.parse().map(Read::plain)),
    |choice| quoted(&choice.to_string())
);

kind!(
    way,
    TransportChoice,
    |value| weak::text(value)?.and_then(|text| text.parse().map(Read::plain)),
    |choice| quoted(&choice.to_string())
);

kind!(
    spread,
    Gossip,
    |value| weak::text(value)?.and_then(|text| text.parse().map(Read::plain)),
    |choice| quoted(&choice.to_string())
);

/// The payload of a packet that is accepted, with a note where it is less than what is written, or
/// where less is sent.
fn payload_within(written: usize) -> Read<usize> {
    let value = written.min(PACKET_PAYLOAD_BYTES_MAX);
    let mut notes = Vec::new();
    if value < written {
        notes.push(format!("is read as {value}, the largest that is accepted"));
    }
    if value > PACKET_PAYLOAD_SENT_MAX {
        let sent = PACKET_PAYLOAD_SENT_MAX;
        notes.push(format!(
            "counts for packets that come; those that go carry {sent} at most"
        ));
    }
    Read { value, notes }
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}
