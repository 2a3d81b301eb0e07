//! What a node keeps of many origins, in bytes.

use std::time::Duration;

use bytes::Bytes;
use ringwire_gossip::feeds::{
    Alias, Body, FeedMessage, Feeds, FeedsConfig, Neighbour, Provenance, Slot,
};

const ORIGINS: u16 = 10_000;
const LINKS: u16 = 16;

/// Bytes for 10,000 origins on 16 links, as docs/gossip.md promises.
const STATE_BYTES_MAX: usize = 2 * 1024 * 1024;

fn say(feeds: &mut Feeds, now: Duration, slot: Slot, message: &FeedMessage<'_>) {
    let bytes: Bytes = message.encode().expect("within its bounds");
    let heard = feeds.handle_message(now, slot, &bytes);
    heard.expect("a message that is read");
    while feeds.poll_output().is_some() {}
}

#[test]
fn ten_thousand_origins_on_sixteen_links_fit_into_two_mebibytes() {
    let mut now = Duration::from_secs(1);
    let mut feeds = Feeds::new(FeedsConfig::default(), [0xff; 32], 0, 7);
    let link = |number: u16| {
        let neighbour = Neighbour {
            id: [number as u8; 20],
            provenance: Provenance::default(),
            rtt: None,
        };
        let slot = feeds.handle_link_up(now, &neighbour);
        slot.expect("a free slot")
    };
    let links: Vec<Slot> = (0..LINKS).map(link).collect();
    for number in 0..ORIGINS {
        let mut origin = [0; 32];
        origin[..2].copy_from_slice(&number.to_le_bytes());
        let alias = Alias::new(number).expect("below the bound");
        for link in &links {
            say(&mut feeds, now, *link, &FeedMessage::Alias(alias, origin));
        }
        let body = Body {
            alias,
            seq: 0,
            urgent: true,
            is_bundle: false,
            priority: 0,
            left_ms: 0,
            signature: None,
            members: None,
            payload: b"vote",
        };
        say(&mut feeds, now, links[0], &FeedMessage::Body(body));
        now += Duration::from_millis(1);
    }
    assert_eq!(feeds.counters().accepted, u64::from(ORIGINS));
    // What is remembered of single messages is bounded by itself, and over a minute later.
    now += Duration::from_secs(60);
    feeds.handle_timeout(now);
    while feeds.poll_output().is_some() {}
    let bytes = feeds.state_bytes();
    assert!(bytes > usize::from(ORIGINS) * 32, "{bytes}: the keys alone");
    assert!(bytes <= STATE_BYTES_MAX, "{bytes}");
}
