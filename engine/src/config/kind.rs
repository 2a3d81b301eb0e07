//! The kinds of values: how each is read from TOML, and how it is written.

use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};
use toml::de::DeValue;

use super::pin::PinShards;
use super::weak::{self, Read};
use super::{duration, peer_list};

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
kind!(
    addresses,
    Vec<NetAddress>,
    |value| weak::text(value)?.and_then(|text| peer_list::addresses(&text)),
    |addresses| quoted(&joined(addresses))
);
kind!(
    ids,
    Vec<NodeId>,
    |value| weak::text(value)?.and_then(|text| peer_list::ids(&text)),
    |ids| quoted(&joined(ids))
);
kind!(
    private_ids,
    Vec<NodeId>,
    |value| weak::text(value)?.and_then(|text| peer_list::private_ids(&text)),
    |ids| quoted(&joined(ids))
);
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

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}
