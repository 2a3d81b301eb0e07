//! A tree alone: links are numbers, and times are in milliseconds.

use super::*;

const RTT: Duration = Duration::from_millis(20);

const PACE: Pace = Pace {
    per_shard: Duration::ZERO,
    stripe_shards: 4,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn stripe(number: u16) -> Stripe {
    Stripe::of(number)
}

fn stripes(numbers: std::ops::Range<u16>) -> Stripes {
    numbers.map(Stripe::of).collect()
}

fn all() -> Stripes {
    stripes(0..STRIPES as u16)
}

/// All stripes came to a link at once.
fn heard(link: u8, at: u64) -> Heard<u8> {
    Heard {
        link,
        at: [ms(at); STRIPES],
        children: 0,
        rtt: RTT,
    }
}

/// Link 1 feeds all stripes, and they came at 100 ms.
fn fed() -> Tree<u8> {
    let mut tree = Tree::new();
    assert_eq!(tree.join(1, all(), 1, 0), all());
    tree
}

fn learn(tree: &mut Tree<u8>, heard: &[Heard<u8>]) -> Vec<Ask<u8>> {
    tree.learn(&[ms(100); STRIPES], heard, PACE, 0)
}

#[test]
fn who_announces_first_feeds_and_nobody_takes_its_place_by_announcing() {
    let mut tree = Tree::new();
    assert_eq!(tree.join(1, stripes(0..3), 16, 0), stripes(0..3));
    assert_eq!(tree.join(2, stripes(0..4), 16, 0), stripes(3..4));
    assert_eq!(tree.feed(stripe(0)), Some(1));
    assert_eq!(tree.fed(), stripes(0..4));
}

#[test]
fn one_neighbour_feeds_half_of_the_stripes_where_there_are_others() {
    let mut tree = Tree::new();
    assert_eq!(tree.join(1, all(), 16, 0).len(), FED_BY_ONE_MAX);
    assert_eq!(tree.join(2, all(), 16, 0).len(), FED_BY_ONE_MAX);
    let mut tree = fed();
    let asks = learn(&mut tree, &[2, 3, 4, 5].map(|link| heard(link, 10)));
    assert!(!asks.is_empty());
    for ask in asks {
        assert!(ask.begin.len() <= FED_BY_ONE_MAX, "{ask:?}");
    }
}

#[test]
fn an_earlier_neighbour_is_asked_and_the_feed_stays_until_it_agrees() {
    let mut tree = fed();
    let asks = learn(&mut tree, &[heard(2, 90)]);
    assert_eq!(
        asks,
        [Ask {
            link: 2,
            begin: all(),
            end: Stripes::default()
        }]
    );
    assert_eq!(tree.feed(stripe(0)), Some(1));
    let asks = tree.handle_grant(2, stripes(0..1), stripes(1..2), 1);
    assert_eq!(
        asks,
        [Ask {
            link: 1,
            begin: Stripes::default(),
            end: stripes(0..1)
        }]
    );
    assert_eq!(tree.feed(stripe(0)), Some(2));
    assert_eq!(tree.feed(stripe(1)), Some(1), "it was refused");
}

#[test]
fn earlier_by_the_margin_and_no_more_is_not_earlier() {
    assert!(learn(&mut fed(), &[heard(2, 98)]).is_empty());
    assert!(!learn(&mut fed(), &[heard(2, 97)]).is_empty());
}

#[test]
fn who_is_busy_is_later_by_what_waits_there() {
    let busy = Heard {
        children: CHILDREN_MAX,
        ..heard(2, 90)
    };
    let pace = Pace {
        per_shard: Duration::from_millis(1),
        ..PACE
    };
    let mut tree = fed();
    let asks = tree.learn(&[ms(100); STRIPES], &[busy, heard(3, 95)], pace, 0);
    assert_eq!(asks[0].link, 3);
}

#[test]
fn a_stripe_without_a_feed_gets_none_from_whom_it_may_have_come_to() {
    // A word of who had it when this node did is half a round trip under way.
    let mut tree = Tree::new();
    assert!(learn(&mut tree, &[heard(2, 111)]).is_empty());
    assert!(!learn(&mut tree, &[heard(2, 110)]).is_empty());
}

#[test]
fn who_refuses_is_followed_by_the_next_best() {
    let mut tree = fed();
    let asks = learn(&mut tree, &[heard(2, 50), heard(3, 60)]);
    assert_eq!((asks.len(), asks[0].link), (1, 2));
    let asks = tree.handle_grant(2, Stripes::default(), all(), 1);
    assert_eq!((asks.len(), asks[0].link), (1, 3));
    assert!(
        tree.handle_grant(3, Stripes::default(), all(), 1)
            .is_empty()
    );
    assert_eq!(tree.fed(), all(), "the old feed was never left");
}

#[test]
fn a_grant_that_nobody_waits_for_is_given_back() {
    let mut tree = fed();
    let asks = tree.handle_grant(9, stripes(0..2), Stripes::default(), 2);
    assert_eq!(
        (asks.len(), asks[0].link, asks[0].end),
        (1, 9, stripes(0..2))
    );
    assert_eq!(tree.feed(stripe(0)), Some(1));
}

#[test]
fn so_many_children_are_taken_and_not_one_more() {
    let mut tree: Tree<u8> = Tree::new();
    assert_eq!(tree.handle_feed(1, all(), Stripes::default()).0, all());
    let (yes, no) = tree.handle_feed(2, all(), Stripes::default());
    assert_eq!(yes.len() + STRIPES, CHILDREN_MAX);
    assert_eq!(yes.len() + no.len(), STRIPES);
    // Who asks twice has it still, and what one gives back another gets.
    assert_eq!(tree.handle_feed(1, all(), Stripes::default()).0, all());
    tree.handle_feed(1, Stripes::default(), stripes(0..1));
    assert_eq!(tree.load(), CHILDREN_MAX - 1);
    assert_eq!(
        tree.handle_feed(3, stripes(5..6), Stripes::default())
            .0
            .len(),
        1
    );
}

#[test]
fn who_feeds_a_stripe_does_not_get_it() {
    let mut tree = fed();
    let (yes, no) = tree.handle_feed(1, stripes(0..2), Stripes::default());
    assert_eq!((yes, no), (Stripes::default(), stripes(0..2)));
}

#[test]
fn who_keeps_back_what_it_should_send_is_no_feed_for_a_minute() {
    let mut tree = fed();
    assert_eq!(tree.strike(stripe(0), 7), Some(1));
    assert_eq!(tree.strike(stripe(0), 7), None);
    assert!(
        tree.join(1, stripes(0..1), 1, 7 + BARRED_TICKS - 1)
            .is_empty()
    );
    let one = tree.join(1, stripes(0..1), 1, 7 + BARRED_TICKS);
    assert_eq!(one, stripes(0..1));
}

#[test]
fn the_nearest_are_roots_of_two_stripes_each_and_stay_it() {
    let mut tree: Tree<u8> = Tree::new();
    let near: Vec<u8> = (1..=16).collect();
    let roots = tree.plant(&near);
    for link in 1..=ROOTS_MAX as u8 {
        let its = roots.iter().filter(|root| **root == Some(link));
        assert_eq!(its.count(), STRIPES / ROOTS_MAX);
    }
    let others: Vec<u8> = (17..=32).collect();
    assert_eq!(tree.plant(&others), roots);
    tree.remove_link(1);
    let mended = tree.plant(&others);
    let changed = (0..STRIPES).filter(|at| mended[*at] != roots[*at]);
    assert!(changed.clone().all(|at| roots[at] == Some(1)));
    assert_eq!(changed.count(), STRIPES / ROOTS_MAX);
    assert_eq!(Tree::<u8>::new().plant(&[]), [None; STRIPES]);
}

#[test]
fn who_is_gone_is_nothing_any_more() {
    let mut tree = fed();
    tree.handle_feed(2, all(), Stripes::default());
    learn(&mut tree, &[heard(3, 50)]);
    for link in [1, 2, 3] {
        tree.remove_link(link);
    }
    assert_eq!((tree.fed(), tree.load()), (Stripes::default(), 0));
    assert!(
        tree.handle_grant(3, Stripes::default(), all(), 1)
            .is_empty()
    );
}
