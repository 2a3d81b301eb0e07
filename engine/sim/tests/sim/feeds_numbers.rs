//! An origin that starts again is heard at once, whatever its clock said before and says now, if it keeps how far its
//! numbers are reserved.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ringwire_codec::ChannelId;
use ringwire_core::gossip::{Feeds, FeedsConfig, KeptNumbers, Numbers};
use ringwire_core::reactor::{Instance, erase};
use ringwire_sim::{Scenario, World};

use crate::gossip::{connect, publish};
use crate::support::{GOSSIP, SOON};

const CONTROL: ChannelId = ChannelId(0x73);
const MOMENT: Duration = Duration::from_secs(1);
const NOW: Duration = Duration::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);
const DOCUMENT: &str = "numbers";

/// Few, so that a life comes to the end of them.
const RESERVED: u32 = 8;

const ORIGIN: u32 = 0;
const HEARER: u32 = 1;

/// What the origin's shell knows when it starts the origin: the clock, and the file.
struct Shell {
    clock: Duration,
    file: Option<Vec<u8>>,
}

/// Begins a life of the origin as a shell does: the bound is kept before the first number is given.
fn begin(shell: &mut Shell) -> Numbers {
    let kept = shell.file.as_deref().map(Numbers::kept_in);
    let kept = kept.map(|kept| kept.expect("what was kept"));
    let numbers = Numbers::begin(shell.clock, kept).reserving(RESERVED);
    shell.file = Some(numbers.to_bytes());
    numbers
}

struct Play {
    world: World,
    shell: Rc<RefCell<Shell>>,
    keeps: bool,
    said: usize,
}

impl Play {
    /// An origin with this clock that has said three messages, and a node that has heard them.
    fn new(clock: Duration, keeps: bool) -> Play {
        let shell = Rc::new(RefCell::new(Shell { clock, file: None }));
        let of_origin = Rc::clone(&shell);
        let make = move |node, _| -> Box<dyn Instance> {
            let mut config = FeedsConfig::new(CONTROL, GOSSIP);
            if node == ORIGIN {
                config.numbers = Some(KeptNumbers {
                    numbers: begin(&mut of_origin.borrow_mut()),
                    document: DOCUMENT.into(),
                });
            }
            erase(Feeds::new(config))
        };
        let world = Scenario::new(5).nodes(2).reactor("feeds", make).build();
        let mut play = Play {
            world,
            shell,
            keeps,
            said: 0,
        };
        connect(&mut play.world, &[(ORIGIN, HEARER)]);
        play.say(3);
        assert_eq!(play.heard(), 3);
        play
    }

    /// The origin says so many messages, each by itself.
    fn say(&mut self, messages: usize) {
        for _ in 0..messages {
            publish(&mut self.world, ORIGIN, 0, format!("message {}", self.said));
            self.said += 1;
            self.world.run_for(MOMENT / 10);
        }
        self.world.run_for(SOON);
    }

    fn heard(&self) -> usize {
        self.world.received(HEARER).len()
    }

    /// The origin ends, as after a crash, and starts again with another clock.
    fn start_again(&mut self, clock: Duration) {
        self.world.take_down(ORIGIN);
        self.world.run_for(MOMENT);
        {
            let mut shell = self.shell.borrow_mut();
            shell.clock = clock;
            // What the store wrote while the origin ran; or in a life before, and then the file is newer.
            let written = self.world.document(ORIGIN, DOCUMENT).map(<[u8]>::to_vec);
            let files = [shell.file.take(), written].into_iter().flatten();
            shell.file = files.max_by_key(|file| Numbers::kept_in(file).expect("what was kept"));
            if !self.keeps {
                shell.file = None;
            }
        }
        self.world.bring_up(ORIGIN);
        connect(&mut self.world, &[(ORIGIN, HEARER)]);
    }
}

#[test]
fn a_clock_that_was_ahead_and_one_that_is_set_back_cost_no_message() {
    let mut play = Play::new(NOW + DAY, true);
    for clock in [NOW, NOW - DAY, Duration::ZERO, NOW + MOMENT, NOW + 2 * DAY] {
        play.start_again(clock);
        play.say(3);
        assert_eq!(play.heard(), play.said, "with the clock at {clock:?}");
    }
}

#[test]
fn without_what_was_kept_a_clock_that_was_ahead_silences_the_origin() {
    let mut play = Play::new(NOW + DAY, false);
    play.start_again(NOW);
    play.say(3);
    assert_eq!(
        play.heard(),
        3,
        "what FeedsConfig::numbers says of this is true"
    );
    play.start_again(NOW + 2 * DAY);
    play.say(3);
    assert_eq!(play.heard(), 6, "the clock is past it");
}

#[test]
fn a_life_that_gives_more_than_was_reserved_has_kept_a_higher_bound_before() {
    let mut play = Play::new(NOW, true);
    for lives in 1..4 {
        // Four times what is reserved at a time, and an end in the middle of it.
        play.say(4 * RESERVED as usize + 3);
        play.start_again(NOW);
        play.say(1);
        assert_eq!(play.heard(), play.said, "life {lives}");
    }
}
