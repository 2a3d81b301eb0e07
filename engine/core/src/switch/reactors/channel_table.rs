//! The channels of a node: who declared which, and their order.
//!
//! A channel has a number, its place in the order of registration, at most
//! [`CHANNELS_MAX`]; sets of channels are bits of a `u16`.

use ringwire_codec::ChannelId;
use ringwire_codec::node_info::CHANNELS_MAX;

use crate::config::ConfigError;
use crate::reactor::ChannelDescriptor;

const NONE: u8 = u8::MAX;
const _: () = assert!(CHANNELS_MAX <= 16, "sets of channels are bits of a u16");

/// The registered channels.
pub(crate) struct ChannelTable {
    descriptors: Vec<ChannelDescriptor>,
    /// Reactor of each channel, by number.
    owners: Vec<u16>,
    /// Number of each possible id.
    numbers: [u8; 256],
}

impl ChannelTable {
    /// Registers what each reactor declares. Two reactors with one name or one channel, more than
    /// sixteen channels, or a channel that could never carry anything are errors that name the
    /// reactor.
    pub(crate) fn new(
        declared: impl IntoIterator<Item = (String, Vec<ChannelDescriptor>)>,
    ) -> Result<Self, ConfigError> {
        let mut table = ChannelTable {
            descriptors: Vec::new(),
            owners: Vec::new(),
            numbers: [NONE; 256],
        };
        let mut names: Vec<String> = Vec::new();
        for (owner, (name, descriptors)) in (0_u16..).zip(declared) {
            check_name(&name, &names)?;
            names.push(name);
            for descriptor in descriptors {
                table.register(owner, descriptor, &names)?;
            }
        }
        Ok(table)
    }

    fn register(
        &mut self,
        owner: u16,
        descriptor: ChannelDescriptor,
        names: &[String],
    ) -> Result<(), ConfigError> {
        let name = &names[usize::from(owner)];
        if let Some(number) = self.number(descriptor.id) {
            let other = &names[usize::from(self.owners[number])];
            let id = descriptor.id;
            return Err(problem(format!(
                "{id} is claimed by reactors {other} and {name}"
            )));
        }
        if self.descriptors.len() == CHANNELS_MAX {
            return Err(problem(format!(
                "reactor {name} brings more than {CHANNELS_MAX} in all"
            )));
        }
        check(&descriptor, name)?;
        self.numbers[usize::from(descriptor.id.0)] =
            u8::try_from(self.descriptors.len()).expect("at most sixteen");
        self.descriptors.push(descriptor);
        self.owners.push(owner);
        Ok(())
    }

    /// All channels, in the order of registration.
    pub(crate) fn descriptors(&self) -> &[ChannelDescriptor] {
        &self.descriptors
    }

    /// The number of a channel, if it is registered.
    pub(crate) fn number(&self, id: ChannelId) -> Option<usize> {
        match self.numbers[usize::from(id.0)] {
            NONE => None,
            number => Some(usize::from(number)),
        }
    }

    /// The reactor of a channel.
    pub(crate) fn owner(&self, id: ChannelId) -> Option<usize> {
        self.number(id).map(|number| self.owner_of(number))
    }

    /// The reactor of the channel with this number.
    pub(crate) fn owner_of(&self, number: usize) -> usize {
        usize::from(self.owners[number])
    }
}

/// A reactor is found by its name: in errors, metrics, documents, and by who inspects it.
fn check_name(name: &str, others: &[String]) -> Result<(), ConfigError> {
    let problem = match others.iter().any(|other| other == name) {
        _ if name.is_empty() => String::from("a reactor has an empty name; give it one"),
        true => format!("two reactors are named `{name}`; give one of them another name"),
        false => return Ok(()),
    };
    Err(ConfigError::new("reactors", problem))
}

fn check(descriptor: &ChannelDescriptor, reactor: &str) -> Result<(), ConfigError> {
    let id = descriptor.id;
    if !(1..=1000).contains(&descriptor.priority) {
        return Err(problem(format!(
            "{id} of reactor {reactor} needs a priority of 1 to 1000"
        )));
    }
    let capacities = [
        descriptor.send_queue_capacity,
        descriptor.recv_queue_capacity,
        descriptor.recv_message_capacity,
    ];
    if capacities.contains(&0) {
        return Err(problem(format!(
            "{id} of reactor {reactor} has a capacity of zero"
        )));
    }
    Ok(())
}

fn problem(problem: String) -> ConfigError {
    ConfigError::new("channels", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(ids: impl IntoIterator<Item = u8>) -> Vec<ChannelDescriptor> {
        ids.into_iter()
            .map(|id| ChannelDescriptor::new(ChannelId(id), 1))
            .collect()
    }

    #[test]
    fn two_reactors_with_one_channel_are_both_named() {
        let declared = [
            ("left".to_owned(), channels([1, 2])),
            ("right".to_owned(), channels([3, 2])),
        ];
        let error = ChannelTable::new(declared).err().unwrap();
        assert!(error.problem.contains("left") && error.problem.contains("right"));
        assert!(error.problem.contains("0x02"), "{error}");
    }

    #[test]
    fn two_reactors_of_one_name_or_one_without_a_name_are_refused() {
        let named = |first: &str, second: &str| {
            let declared = [(first, channels([1])), (second, channels([2]))];
            ChannelTable::new(declared.map(|(name, channels)| (name.to_owned(), channels)))
        };
        assert!(named("mempool", "Mempool").is_ok());
        let twice = named("mempool", "mempool").err().expect("refused");
        assert_eq!(twice.key, "reactors");
        assert!(twice.problem.contains("two reactors are named `mempool`"));
        let nameless = named("", "mempool").err().expect("refused");
        assert!(nameless.problem.contains("empty name"), "{nameless}");
    }

    #[test]
    fn sixteen_channels_fit_and_one_more_does_not() {
        let table = ChannelTable::new([("a".to_owned(), channels(0..16))])
            .ok()
            .unwrap();
        assert_eq!(table.number(ChannelId(15)), Some(15));
        assert_eq!(table.owner(ChannelId(15)), Some(0));
        assert_eq!(table.number(ChannelId(16)), None);
        assert!(ChannelTable::new([("a".to_owned(), channels(0..17))]).is_err());
    }

    #[test]
    fn a_channel_that_could_never_carry_anything_is_refused() {
        let mut descriptor = ChannelDescriptor::new(ChannelId(1), 0);
        assert!(ChannelTable::new([("a".to_owned(), vec![descriptor.clone()])]).is_err());
        descriptor.priority = 1000;
        assert!(ChannelTable::new([("a".to_owned(), vec![descriptor.clone()])]).is_ok());
        descriptor.send_queue_capacity = 0;
        assert!(ChannelTable::new([("a".to_owned(), vec![descriptor])]).is_err());
    }
}
