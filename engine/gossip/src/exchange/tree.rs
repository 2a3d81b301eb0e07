//! [`Tree`]: who sends this node the stripes of one origin, and to whom it sends them.
//!
//! ```text
//!            origin ── stripe 0 ──▶ root ──▶ …          each stripe has one root, a near neighbour of the origin
//!
//!   feed ── stripe ──▶ this node ── stripe ──▶ children, CHILDREN_MAX of all stripes together
//! ```
//!
//! A stripe is **joined** when a neighbour announces one of its shards and the stripe has no feed: who announced becomes
//! the feed. So each node stands below one that had the stripe before it, and there are no circles. After a payload,
//! neighbours tell each other when each stripe came; a node then asks for a better feed, among those
//! that had the stripe before itself, and keeps the old one until the new one has agreed. One that has enough children
//! refuses.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stripes::{STRIPES, Stripe, Stripes};

/// Stripes that a node sends for one origin, each counted as often as it is sent: half as much again as it receives.
/// More, and children wait for an uplink; less, and far nodes have to pass on what came late to them.
pub const CHILDREN_MAX: usize = 24;

/// An origin sends its stripes to so many neighbours, the nearest. With fewer these have too much to pass on, with more
/// the first step is long.
pub const ROOTS_MAX: usize = 8;

/// A feed is changed for one that is earlier by more than this: networks jitter.
pub const EARLIER_BY: Duration = Duration::from_millis(2);

/// A neighbour that did not send a stripe it feeds is no feed for so many ticks: a minute.
pub const BARRED_TICKS: u64 = 600;

/// One neighbour feeds at most so many stripes, or twice its share where there are few: what one liar can keep back.
const FED_BY_ONE_MAX: usize = 8;

/// What `CHILDREN_MAX` would be if all nodes passed on as much as they receive: beyond it each child is late.
const FAIR_CHILDREN: usize = STRIPES;

/// What a neighbour has said of a payload: when a word of each stripe's last original would have been here, had it been
/// sent at once, and how much it has to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard<L> {
    pub(super) link: L,
    pub(super) at: [Duration; STRIPES],
    pub(super) children: usize,
    /// There and back.
    pub(super) rtt: Duration,
}

/// How fast shards of a payload came, and how many of a stripe there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) per_shard: Duration,
    pub(super) stripe_shards: usize,
}

/// What to tell a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ask<L> {
    pub(super) link: L,
    pub(super) begin: Stripes,
    pub(super) end: Stripes,
}

#[derive(Clone, Debug)]
struct Branch<L> {
    feed: Option<L>,
    /// Who was asked to take the feed's place.
    asked: Option<L>,
    /// Whom this node, as the origin, sends the stripe to.
    root: Option<L>,
    children: Vec<L>,
    /// Better feeds, the best first, and when they would bring the last original.
    better: Vec<(Duration, L)>,
}

/// The stripes of one origin.
#[derive(Clone, Debug)]
pub(super) struct Tree<L> {
    branches: [Branch<L>; STRIPES],
    /// Who kept back what it should have sent, and until which tick it is no feed.
    barred: BTreeMap<L, u64>,
    /// Whether a payload has come whole: nodes further on need no announcements to join then.
    is_learned: bool,
}

impl<L: Copy + Ord> Tree<L> {
    pub(super) fn new() -> Self {
        let branch = |_| Branch {
            feed: None,
            asked: None,
            root: None,
            children: Vec::new(),
            better: Vec::new(),
        };
        Tree {
            branches: std::array::from_fn(branch),
            barred: BTreeMap::new(),
            is_learned: false,
        }
    }

    /// Whether a payload of the origin has come whole.
    pub(super) fn is_learned(&self) -> bool {
        self.is_learned
    }

    pub(super) fn feed(&self, stripe: Stripe) -> Option<L> {
        self.branches[stripe.index()].feed
    }

    /// The stripes that have a feed.
    pub(super) fn fed(&self) -> Stripes {
        let fed = Stripe::all().filter(|stripe| self.feed(*stripe).is_some());
        fed.collect()
    }

    /// To whom shards of a stripe are passed on.
    pub(super) fn children(&self, stripe: Stripe) -> &[L] {
        &self.branches[stripe.index()].children
    }

    /// Stripes sent, each counted as often as it is.
    pub(super) fn load(&self) -> usize {
        self.branches.iter().map(|one| one.children.len()).sum()
    }

    // ---- the origin ---------------------------------------------------------------------------

    /// Gives each stripe a root among the neighbours, nearest first. A root stays as long as it is a neighbour.
    pub(super) fn plant(&mut self, near: &[L]) -> [Option<L>; STRIPES] {
        let near = &near[..near.len().min(ROOTS_MAX)];
        let mut uses: BTreeMap<L, usize> = near.iter().map(|link| (*link, 0)).collect();
        for root in self.branches.iter().filter_map(|one| one.root) {
            *uses.entry(root).or_default() += 1;
        }
        for branch in &mut self.branches {
            if branch.root.is_none()
                && let Some(least) = near.iter().min_by_key(|link| uses[*link])
            {
                branch.root = Some(*least);
                uses.entry(*least).and_modify(|count| *count += 1);
            }
        }
        std::array::from_fn(|at| self.branches[at].root)
    }

    // ---- feeds --------------------------------------------------------------------------------

    /// A neighbour announced shards of stripes without a feed, and is asked for them: it becomes the feed. Gives what it
    /// is to be told.
    pub(super) fn join(&mut self, link: L, stripes: Stripes, links: usize, tick: u64) -> Stripes {
        if self.is_barred(link, tick) {
            return Stripes::default();
        }
        let mut joined = Stripes::default();
        for stripe in stripes.iter() {
            let room = self.fed_by(link) < fed_by_one_max(links);
            let branch = &mut self.branches[stripe.index()];
            if branch.feed.is_none() && branch.asked != Some(link) && room {
                branch.feed = Some(link);
                branch.children.retain(|child| *child != link);
                joined.insert(stripe);
            }
        }
        joined
    }

    /// A payload is whole, and neighbours have said when its stripes came to them; `came` is when they came here.
    /// Gives whom to ask to become a feed.
    pub(super) fn learn(
        &mut self,
        came: &[Duration; STRIPES],
        heard: &[Heard<L>],
        pace: Pace,
        tick: u64,
    ) -> Vec<Ask<L>> {
        self.is_learned = true;
        self.barred.retain(|_, until| *until > tick);
        let awake: Vec<_> = heard
            .iter()
            .filter(|one| !self.barred.contains_key(&one.link))
            .collect();
        for (stripe, branch) in Stripe::all().zip(&mut self.branches) {
            let at = stripe.index();
            // Who had it after this node may have it from this node.
            let before = |one: &&&Heard<L>| one.at[at] <= came[at] + one.rtt / 2;
            let expected = |one: &Heard<L>| (one.at[at] + pace.wait(one.children), one.link);
            let mut better: Vec<_> = awake
                .iter()
                .filter(before)
                .map(|one| expected(one))
                .collect();
            better.retain(|(when, link)| {
                branch.feed.is_none()
                    || (*when + EARLIER_BY < came[at] && branch.feed != Some(*link))
            });
            better.sort_unstable();
            better.reverse();
            branch.better = better;
            branch.asked = None;
        }
        self.ask_next(heard.len())
    }

    /// Asks the next best for each stripe for which nobody is asked.
    fn ask_next(&mut self, links: usize) -> Vec<Ask<L>> {
        let mut asks: BTreeMap<L, Stripes> = BTreeMap::new();
        for stripe in Stripe::all() {
            let at = stripe.index();
            if self.branches[at].asked.is_some() {
                continue;
            }
            while let Some((_, link)) = self.branches[at].better.pop() {
                let has_room = self.fed_by(link) < fed_by_one_max(links);
                if has_room && !self.branches[at].children.contains(&link) {
                    self.branches[at].asked = Some(link);
                    asks.entry(link).or_default().insert(stripe);
                    break;
                }
            }
        }
        let ask = |(link, begin)| Ask {
            link,
            begin,
            end: Stripes::default(),
        };
        asks.into_iter().map(ask).collect()
    }

    /// A neighbour has agreed to feed some stripes, and does not feed others. Gives what to tell whom.
    pub(super) fn handle_grant(
        &mut self,
        from: L,
        yes: Stripes,
        no: Stripes,
        links: usize,
    ) -> Vec<Ask<L>> {
        let mut ends: BTreeMap<L, Stripes> = BTreeMap::new();
        for stripe in yes.iter() {
            let branch = &mut self.branches[stripe.index()];
            if branch.asked == Some(from) {
                branch.asked = None;
                let old = branch.feed.replace(from).filter(|old| *old != from);
                if let Some(old) = old {
                    ends.entry(old).or_default().insert(stripe);
                }
                branch.better.clear();
            } else if branch.feed != Some(from) {
                // It was asked for long ago, by a node that has another feed by now.
                ends.entry(from).or_default().insert(stripe);
            }
        }
        for stripe in no.iter() {
            let branch = &mut self.branches[stripe.index()];
            branch.feed.take_if(|feed| *feed == from);
            branch.asked.take_if(|asked| *asked == from);
        }
        let mut asks = self.ask_next(links);
        let end = |(link, end)| Ask {
            link,
            begin: Stripes::default(),
            end,
        };
        asks.extend(ends.into_iter().map(end));
        asks
    }

    /// The feed of a stripe keeps back what it has, or says nothing at all: it is none any more. Gives who it was.
    pub(super) fn strike(&mut self, stripe: Stripe, tick: u64) -> Option<L> {
        let feed = self.branches[stripe.index()].feed.take()?;
        self.barred.insert(feed, tick + BARRED_TICKS);
        Some(feed)
    }

    // ---- children -----------------------------------------------------------------------------

    /// A neighbour wants stripes, and others not any more. Gives which it will get, and which not.
    pub(super) fn handle_feed(
        &mut self,
        from: L,
        begin: Stripes,
        end: Stripes,
    ) -> (Stripes, Stripes) {
        for stripe in end.iter() {
            let children = &mut self.branches[stripe.index()].children;
            children.retain(|child| *child != from);
        }
        let (mut yes, mut no) = (Stripes::default(), Stripes::default());
        for stripe in begin.iter() {
            let load = self.load();
            let branch = &mut self.branches[stripe.index()];
            let is_child = branch.children.contains(&from);
            let is_above = branch.feed == Some(from) || branch.asked == Some(from);
            if is_child || (load < CHILDREN_MAX && !is_above) {
                yes.insert(stripe);
                if !is_child {
                    branch.children.push(from);
                }
            } else {
                no.insert(stripe);
            }
        }
        (yes, no)
    }

    pub(super) fn remove_link(&mut self, link: L) {
        self.barred.remove(&link);
        for branch in &mut self.branches {
            for place in [&mut branch.feed, &mut branch.asked, &mut branch.root] {
                place.take_if(|one| *one == link);
            }
            branch.children.retain(|child| *child != link);
            branch.better.retain(|(_, better)| *better != link);
        }
    }

    fn fed_by(&self, link: L) -> usize {
        let fed = self.branches.iter();
        fed.filter(|one| one.asked.or(one.feed) == Some(link))
            .count()
    }

    fn is_barred(&self, link: L, tick: u64) -> bool {
        self.barred.get(&link).is_some_and(|until| *until > tick)
    }
}

impl Pace {
    /// How long a shard waits on average at a neighbour that has so many children.
    fn wait(&self, children: usize) -> Duration {
        let ahead = children as f64 / 2.0;
        let over = children.saturating_sub(FAIR_CHILDREN) * self.stripe_shards;
        self.per_shard.mul_f64(1.0 + ahead + over as f64)
    }
}

/// How many stripes one of so many neighbours may feed.
fn fed_by_one_max(links: usize) -> usize {
    FED_BY_ONE_MAX.max(2 * STRIPES / links.max(1))
}

#[cfg(test)]
mod tests;
