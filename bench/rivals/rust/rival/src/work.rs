//! What the flags ask for. They are those of the Go rival, `-name=value`, so that the bench starts
//! all rivals alike.

use std::time::Duration;

use crate::Failure;

const USAGE: &str = "usage: drain|broadcast|timeframe|gossip|ping-pong [-bytes=N] [-count=N] \
                     [-senders=N] [-receivers=N] [-secs=SECONDS] [-settings=NAME]";

/// The kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Messages to every receiver, as fast as they go.
    Spread,
    /// The same to one receiver, for a fixed time.
    Timeframe,
    /// Messages that one node publishes, until all nodes have all.
    Gossip,
    /// A message there and back, again and again.
    PingPong,
}

/// One run's work.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Its kind; `drain` is spreading to one receiver, and in a fixed time is what it is as well.
    pub task: Task,
    /// Bytes of a message.
    pub bytes: usize,
    /// Messages to each receiver, or round trips; more than can be sent in a fixed time.
    pub count: usize,
    /// The fixed time.
    pub span: Duration,
    /// Tasks that send to each receiver; each sends the same share of the count.
    pub senders: usize,
    /// Nodes that receive.
    pub receivers: usize,
    /// How the rival is set up, by a name it knows.
    pub settings: String,
}

impl Work {
    /// Reads a command line without the program's name.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn of_args(
        mut args: impl Iterator<Item = String>,
        settings: &[&str],
    ) -> Result<Self, Failure> {
        let command = args.next().ok_or(USAGE)?;
        let mut work = Work {
            task: match command.as_str() {
                "drain" | "broadcast" => Task::Spread,
                "timeframe" => Task::Timeframe,
                "gossip" => Task::Gossip,
                "ping-pong" => Task::PingPong,
                other => return Err(format!("no such work: {other}; {USAGE}").into()),
            },
            bytes: 65_536,
            count: 1024,
            span: Duration::from_secs(2),
            senders: 1,
            receivers: 7,
            settings: settings[0].to_owned(),
        };
        for arg in args {
            work.read_flag(&arg)?;
        }
        match command.as_str() {
            "broadcast" | "gossip" => work.senders = 1,
            _ => work.receivers = 1,
        }
        if work.task == Task::Timeframe {
            work.count = usize::MAX;
        }
        work.count = work.count / work.senders * work.senders;
        if work.count == 0 || work.receivers == 0 {
            return Err("every amount must be at least one".into());
        }
        if !settings.contains(&work.settings.as_str()) {
            return Err(format!(
                "no such settings: {}; there are {settings:?}",
                work.settings
            )
            .into());
        }
        Ok(work)
    }

    fn read_flag(&mut self, arg: &str) -> Result<(), Failure> {
        let flag = arg.trim_start_matches('-').split_once('=');
        let (name, value) = flag.ok_or_else(|| format!("not a flag: {arg}; {USAGE}"))?;
        let amount = match name {
            "bytes" => &mut self.bytes,
            "count" => &mut self.count,
            "senders" => &mut self.senders,
            "receivers" => &mut self.receivers,
            "secs" => {
                let secs = value.parse().map_err(|error| format!("{arg}: {error}"))?;
                self.span = Duration::try_from_secs_f64(secs)?;
                return Ok(());
            }
            "settings" => {
                value.clone_into(&mut self.settings);
                return Ok(());
            }
            _ => return Err(format!("no such flag: {arg}; {USAGE}").into()),
        };
        *amount = value.parse().map_err(|error| format!("{arg}: {error}"))?;
        if *amount == 0 {
            return Err(format!("{arg}: every amount must be at least one").into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work_of(line: &str) -> Result<Work, Failure> {
        Work::of_args(
            line.split_whitespace().map(str::to_owned),
            &["default", "wide"],
        )
    }

    #[test]
    fn a_drain_has_one_receiver_and_shares_that_are_alike() {
        let work = work_of("drain -bytes=8 -count=11 -senders=4 -settings=wide").expect("valid");
        assert_eq!((work.bytes, work.count, work.receivers), (8, 8, 1));
        assert_eq!((work.task, work.settings.as_str()), (Task::Spread, "wide"));
    }

    #[test]
    fn a_broadcast_has_one_sender_and_the_first_settings_unless_told() {
        let work = work_of("broadcast -receivers=3 -senders=5").expect("valid");
        assert_eq!((work.senders, work.receivers), (1, 3));
        assert_eq!(work.settings, "default");
    }

    #[test]
    fn a_fixed_time_has_no_count_and_gossip_has_one_publisher() {
        let work = work_of("timeframe -secs=0.5 -senders=8").expect("valid");
        assert_eq!((work.task, work.senders), (Task::Timeframe, 8));
        assert_eq!(work.span, Duration::from_millis(500));
        assert!(work.count > usize::MAX / 2);
        let work = work_of("gossip -receivers=7 -senders=8").expect("valid");
        assert_eq!((work.task, work.senders), (Task::Gossip, 1));
        assert_eq!(work.receivers, 7);
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        for line in [
            "",
            "sing",
            "drain -depth=3",
            "drain -bytes",
            "drain -bytes=0",
            "drain -count=3 -senders=4",
            "drain -settings=fast",
            "timeframe -secs=-1",
        ] {
            assert!(work_of(line).is_err(), "{line:?}");
        }
    }
}
