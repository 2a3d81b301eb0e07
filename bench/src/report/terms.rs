//! The words of the page, explained where they stand: a reader should not have to look for another
//! page to read this one.

use std::fmt::Write;

/// A word, the name of its place on the page, and what it means.
const TERMS: &[(&str, &str, &str)] = &[
    (
        "the limit",
        "limit",
        "The least code that moves the same sealed bytes over bare sockets: the same cipher, and no \
         channels, packets or messages. The size of its writes, and whether it sleeps or watches its \
         sockets, is what was fastest in this run. No engine with the same cipher should pass it.",
    ),
    (
        "wide",
        "wide",
        "Wide records, the framing between two Ringwire nodes: up to 64 KiB sealed at once with \
         AES-256-GCM.",
    ),
    (
        "comet",
        "comet",
        "CometBFT's framing, spoken with its nodes: frames of 1,044 bytes sealed with \
         ChaCha20-Poly1305.",
    ),
    (
        "× CometBFT",
        "times-comet",
        "How many times as good Ringwire's figure is as that of CometBFT's own switch, in the same \
         case with its best settings of this run. CometBFT always speaks its own framing.",
    ),
    (
        "best rival",
        "rival",
        "The best of the other engines that were measured in the same case, in the same run.",
    ),
    (
        "drain",
        "drain",
        "One gibibyte one way over one link, in messages of one size. With × 8 or × 16, so many \
         threads of the application send.",
    ),
    (
        "small",
        "small",
        "Messages of 200 bytes, the size of a vote, as many as the link takes.",
    ),
    (
        "broadcast-drain",
        "broadcast",
        "One node sends every message to seven others; throughput is the sum over the receivers.",
    ),
    (
        "gossip",
        "gossip",
        "Eight nodes, of which each passes on what is new to it; throughput is the sum over the \
         receivers.",
    ),
    (
        "ping-pong",
        "ping-pong",
        "One message there and back. Asleep: both ends wait in the kernel. Polled: both ends watch \
         their sockets. Bulk: beside other traffic.",
    ),
    (
        "p50, p99, p99.9",
        "percentiles",
        "So many percent of all messages took no longer.",
    ),
    (
        "CPU per GiB",
        "cpu",
        "Seconds of CPU time, user and system, both ends together, for each gibibyte of payload.",
    ),
    (
        "median, smallest..largest",
        "median",
        "Over the runs of one contender. Contenders take turns, so that what disturbs the machine for \
         a while disturbs all.",
    ),
];

/// The terms as a list, each with a place of its own to link to.
pub(super) fn html() -> String {
    let mut html = String::from("<h2 id=\"terms\">Terms</h2><dl>");
    for (term, place, meaning) in TERMS {
        write!(html, "<dt id=\"{place}\">{term}</dt><dd>{meaning}</dd>")
            .expect("a String takes all that is written to it");
    }
    html + "</dl>"
}

/// A term as a link to its meaning; text that is no term stays as it is.
pub(super) fn link(text: &str) -> String {
    match TERMS.iter().find(|(term, ..)| *term == text) {
        Some((term, place, _)) => format!("<a href=\"#{place}\">{term}</a>"),
        None => super::chart::escape(text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_term_has_a_place_of_its_own_that_its_link_leads_to() {
        let places: BTreeSet<&str> = TERMS.iter().map(|(_, place, _)| *place).collect();
        assert_eq!(places.len(), TERMS.len());
        let html = html();
        for (term, place, _) in TERMS {
            assert!(html.contains(&format!("id=\"{place}\"")));
            assert_eq!(link(term), format!("<a href=\"#{place}\">{term}</a>"));
        }
        assert_eq!(link("<b>"), "&lt;b&gt;");
    }
}
