//! Joins the two reactors of a [`super::bridge`].

use ringwire_codec::ChannelId;

use super::bridge::{Bridge, FromFeeds, FromFlood};
use super::feeds::Feeds;
use super::reactor::Flood;

/// Bridges a reactor over feeds to the [`Flood`] of the channel `flood`, which the node has as well: what is good by feeds
/// is delivered and flooded by that one, unless it came that way before.
#[must_use]
pub fn bridge_to_flood(feeds: Feeds, flood: ChannelId) -> Feeds {
    feeds.with_bridge(Bridge::new(flood, |cx, flood, message| {
        let handed = cx.ask_on::<Flood, FromFeeds>(flood, message);
        debug_assert!(
            handed.is_ok(),
            "a node with the bridge has both: {handed:?}"
        );
    }))
}

/// Bridges a flood to the [`Feeds`] whose messages travel on the channel `feeds`, which the node has as well: what is new by
/// flooding is published by that one, and no neighbour that speaks it is flooded.
#[must_use]
pub fn bridge_to_feeds(flood: Flood, feeds: ChannelId) -> Flood {
    flood.with_bridge(Bridge::new(feeds, |cx, feeds, message| {
        let has_room = cx.ask_on::<Feeds, FromFlood>(feeds, message);
        debug_assert!(
            has_room.is_ok(),
            "a node with the bridge has both: {has_room:?}"
        );
        has_room.unwrap_or(true)
    }))
}
