//! Colours and sizes, light or dark as the reader has it.

/// Classes of contenders by how their names begin. One has its colour in every chart.
const CLASSES: &[(&str, &str)] = &[
    ("limit", "limit"),
    ("without votes", "limit"),
    ("no storm", "limit"),
    ("all fast", "limit"),
    ("1 shard", "ours2"),
    ("ringwire (one handle)", "ours2"),
    ("ringwire (readiness)", "ours2"),
    ("ringwire", "ours"),
    ("CometBFT default", "comet1"),
    ("CometBFT maxed", "comet2"),
    ("CometBFT flush0", "comet3"),
    ("tokio", "tokio"),
    ("libp2p", "libp2p"),
    ("commonware", "commonware"),
];

/// The class that gives a contender its colour: ours for whoever is no rival and no limit.
pub(super) fn class(contender: &str) -> &'static str {
    let mut classes = CLASSES.iter();
    let known = classes.find(|(name, _)| contender.starts_with(name));
    known.map_or("ours", |(_, class)| class)
}

/// Variables that hold the colours; `:root` is the page or the drawing.
pub(super) const COLOURS: &str = "\
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--dim:#59636e;--line:#d8dde3;\
--limit:#9aa4af;--ours:#0b7285;--ours2:#62b5c4;--comet1:#f0a35e;--comet2:#d9730d;--comet3:#a8500a;\
--tokio:#7d58c6;--libp2p:#5c7a29;--commonware:#c0397a}\
@media(prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e4e8ec;--dim:#98a2ad;--line:#333b44;\
--limit:#7d8894;--ours:#2bb3c9;--ours2:#1c7483;--comet1:#f7c08a;--comet2:#f0953e;--comet3:#c26a1e;\
--tokio:#a98be6;--libp2p:#9dbb5f;--commonware:#e876ab}}";

/// How a chart is drawn.
pub(super) const DRAWING: &str = "\
text{fill:var(--fg);font-size:12px}.mid,.val{text-anchor:middle}\
.val{font-size:10px;fill:var(--dim)}.end{text-anchor:end;fill:var(--dim)}.head{font-weight:600}\
.grid{stroke:var(--line);fill:none}.whisker{stroke:var(--fg);fill:none;opacity:.7}\
.limit{fill:var(--limit)}.ours{fill:var(--ours)}.ours2{fill:var(--ours2)}\
.comet1{fill:var(--comet1)}.comet2{fill:var(--comet2)}.comet3{fill:var(--comet3)}\
.tokio{fill:var(--tokio)}.libp2p{fill:var(--libp2p)}.commonware{fill:var(--commonware)}";

/// How a page is set, less [`COLOURS`] and [`DRAWING`].
pub(super) const PAGE: &str = "\
body{background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;max-width:1100px;\
margin:2rem auto;padding:0 1rem}h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem}\
h3{margin:2rem 0 .5rem}.dim{color:var(--dim)}.warn{border:2px solid var(--comet2);padding:.5rem 1rem}\
code{overflow-wrap:anywhere}\
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:1.5rem}\
figure{margin:0}figcaption{font-weight:600}svg{width:100%;height:auto}\
table{border-collapse:collapse;font-size:14px;width:100%}\
th,td{text-align:left;padding:.15rem .6rem;border-bottom:1px solid var(--line)}\
td:nth-child(n+4),.short td:nth-child(3){text-align:right;font-variant-numeric:tabular-nums}\
.wide-table{overflow-x:auto}a{color:var(--ours)}dt{font-weight:600;margin-top:.75rem}dd{margin:0}\
@media(max-width:640px){.short thead{display:none}.short tr{display:block;padding:.4rem 0;\
border-bottom:1px solid var(--line)}.short td,.short td:nth-child(n){display:block;border:0;padding:0;\
text-align:left}.short td[data-head]::before{content:attr(data-head) \": \";color:var(--dim)}\
.short td:empty{display:none!important}}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::RIVALS;

    #[test]
    fn every_contender_has_a_colour_and_rivals_are_never_taken_for_us_or_the_limit() {
        for rival in RIVALS {
            for settings in rival.settings {
                assert!(!["ours", "ours2", "limit"].contains(&class(settings.contender)));
            }
        }
        assert_eq!((class("ringwire"), class("2 shards")), ("ours", "ours"));
        for (_, class) in CLASSES {
            assert_eq!(
                COLOURS.matches(&format!("--{class}:")).count(),
                2,
                "{class}"
            );
            assert!(DRAWING.contains(&format!(".{class}{{")), "{class}");
        }
    }
}
