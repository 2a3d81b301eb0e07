//! The kinds of values: how each is read from TOML, how it is written, and what a bad one is told.

use std::net::SocketAddr;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};
use toml::de::DeValue;

use super::duration;
use super::pin::PinShards;

/// Reads an address to listen on: an IP and a port, `tcp://` before it or not.
///
/// # Errors
/// What it should have been.
pub fn parse_listen_addr(text: &str) -> Result<SocketAddr, String> {
    text.strip_prefix("tcp://")
        .unwrap_or(text)
        .parse()
        .map_err(|_| {
            format!("\"{text}\" is not an IP address with a port, like \"tcp://0.0.0.0:26656\"")
        })
}

/// Reads a comma-separated list of `ID@host:port`; empty entries are skipped.
///
/// # Errors
/// The first entry that is no address, and why.
pub fn parse_peer_addresses(text: &str) -> Result<Vec<NetAddress>, String> {
    entries(text)
        .map(|entry| {
            entry
                .parse()
                .map_err(|error| format!("\"{entry}\": {error}"))
        })
        .collect()
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

/// The text in `value`, or that there is none.
pub(super) fn text_of<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value
        .as_str()
        .ok_or_else(|| expected("a text in quotes", value))
}

fn expected(what: &str, value: &DeValue<'_>) -> String {
    format!(
        "must be {what}, not {} {}",
        article(value.type_str()),
        value.type_str()
    )
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

/// `text` as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// How one kind of value is read and written: `read` takes a TOML value, `show` makes one.
macro_rules! kind {
    ($name:ident, $type:ty, $read:expr, $show:expr) => {
        pub(super) mod $name {
            use super::*;

            pub(in crate::config) fn read(value: &DeValue<'_>) -> Result<$type, String> {
                let read: fn(&DeValue<'_>) -> Result<$type, String> = $read;
                read(value)
            }

            pub(in crate::config) fn show(value: &$type) -> String {
                let show: fn(&$type) -> String = $show;
                show(value)
            }
        }
    };
}

kind!(
    text,
    String,
    |value| text_of(value).map(str::to_owned),
    |text| quoted(text)
);
kind!(
    optional_text,
    Option<String>,
    |value| Ok(Some(text_of(value)?.to_owned()).filter(|text| !text.is_empty())),
    |text| quoted(text.as_deref().unwrap_or_default())
);
kind!(
    addresses,
    Vec<NetAddress>,
    |value| parse_peer_addresses(text_of(value)?),
    |addresses| quoted(&joined(addresses))
);
kind!(
    ids,
    Vec<NodeId>,
    |value| {
        entries(text_of(value)?)
            .map(|entry| {
                entry
                    .parse()
                    .map_err(|error| format!("\"{entry}\": {error}"))
            })
            .collect()
    },
    |ids| quoted(&joined(ids))
);
kind!(
    count,
    usize,
    |value| usize::try_from(whole_number(value)?).map_err(|_| String::from("is too large")),
    usize::to_string
);
kind!(rate, u64, whole_number, u64::to_string);
kind!(
    flag,
    bool,
    |value| value
        .as_bool()
        .ok_or_else(|| expected("true or false", value)),
    bool::to_string
);
kind!(
    time,
    Duration,
    |value| {
        let text = value
            .as_str()
            .ok_or_else(|| expected("a duration in quotes, like \"10ms\" or \"3s\"", value))?;
        duration::parse(text).map_err(|error| error.to_string())
    },
    |time| quoted(&duration::format(*time))
);

kind!(pin, PinShards, |value| text_of(value)?.parse(), |choice| {
    quoted(&choice.to_string())
});

fn whole_number(value: &DeValue<'_>) -> Result<u64, String> {
    let number = value
        .as_integer()
        .ok_or_else(|| expected("a whole number", value))?;
    if number.as_str().starts_with('-') {
        return Err(String::from("must not be negative"));
    }
    u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| String::from("is too large"))
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}
