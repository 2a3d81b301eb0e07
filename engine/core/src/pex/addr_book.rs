//! The address book: whom this node could dial, kept so that nobody can fill it with his own.
//!
//! Addresses come from strangers, so the book is built against the one who tells only of himself
//! (Heilman and others, "Eclipse Attacks on Bitcoin's Peer-to-Peer Network", 2015):
//!
//! * Where an address is kept follows from its network and its teller's, by a hash under a secret of
//!   the node, which nobody else knows even if he has the book's file. One network, however many addresses it has, fills an eighth of the new places and a
//!   sixteenth of the old ones.
//! * Only a connection of our own makes an address old ([`AddrBook::mark_good`]); hearsay about an
//!   old address changes nothing, and the address of a known id is never changed by hearsay.
//! * The more often an address is told, the less a further telling counts: the chance of a further
//!   bucket is 1 in 2k for an address in k of them, up to four.
//!
//! The book is a value: chance comes from its seed, time comes with the calls. A call that brings no
//! time judges by the time that the last one brought.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ringwire_codec::{Host, NetAddress, NodeId};
use thiserror::Error;

use super::bans::Bans;
use super::bucket::{BOOK_KEY_BYTES, BookSecret, BucketKey};
use super::known_address::{Class, KnownAddress};
use super::table::Table;
use super::timestamp::Timestamp;
use crate::chance::Chance;

mod persist;

pub use persist::fuzz_addr_book;

/// Below so many addresses a node asks its peers for more.
const ENOUGH_ADDRESSES: usize = 1000;
/// Own addresses kept at most: more than a node has listeners and names.
const OUR_ADDRESSES_MAX: usize = 256;

/// How a book judges addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookConfig {
    /// Takes only addresses that the internet can reach. Switch it off in private networks and
    /// tests (`addr_book_strict`).
    pub strict: bool,
}

/// Why an address did not come into the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddAddressError {
    /// The host is a name. Only IPs are kept: what a name means can change after it was judged.
    #[error("the host is a name, and the book keeps only IP addresses")]
    Name,
    /// The address cannot be a node's to others: such an IP, or a Unix socket.
    #[error(
        "the address is a Unix socket, or its IP is unspecified, broadcast, multicast or reserved for \
         documentation"
    )]
    Invalid,
    /// Nobody listens on port 0.
    #[error("the port is 0")]
    NoPort,
    /// The id is banned.
    #[error("the node is banned")]
    Banned,
    /// The id is one whose address is never told.
    #[error("the node is private")]
    Private,
    /// The teller is one whose address is never told.
    #[error("the source is private")]
    PrivateSource,
    /// It is our own address, or an address of our own id.
    #[error("it is our own address")]
    OurAddress,
    /// The internet does not reach the IP, and the book is strict.
    #[error("the IP cannot be reached over the internet, and the address book is strict")]
    NotRoutable,
}

/// The addresses a node knows.
pub struct AddrBook {
    config: BookConfig,
    chance: Chance,
    table: Table,
    bans: Bans,
    private_ids: BTreeSet<NodeId>,
    our_addresses: BTreeSet<NetAddress>,
    our_ids: BTreeSet<NodeId>,
    /// The time that the last call brought.
    now: Timestamp,
    skipped_entries: usize,
}

impl AddrBook {
    /// An empty book. Its key and all its chance are drawn from `seed`; where it places addresses,
    /// `secret` decides with them.
    pub fn new(config: BookConfig, secret: &BookSecret, seed: [u8; 32]) -> Self {
        AddrBook::with_key(config, secret, seed, None)
    }

    /// An empty book with the key of a file, or one drawn from `seed`.
    fn with_key(
        config: BookConfig,
        secret: &BookSecret,
        seed: [u8; 32],
        book_key: Option<[u8; BOOK_KEY_BYTES]>,
    ) -> Self {
        let mut chance = Chance::new(seed);
        let drawn = *chance.bytes().first_chunk().expect("twelve of 32 bytes");
        let key = BucketKey::new(secret, book_key.unwrap_or(drawn), config.strict);
        AddrBook {
            config,
            chance,
            table: Table::new(key),
            bans: Bans::default(),
            private_ids: BTreeSet::new(),
            our_addresses: BTreeSet::new(),
            our_ids: BTreeSet::new(),
            now: Timestamp::NEVER,
            skipped_entries: 0,
        }
    }

    /// Tells the time. Calls that bring it do so themselves.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Takes in `address`, of which the node at `source` told. It is no error if the book keeps it
    /// as it was: an old address, or one that was told often enough.
    ///
    /// # Errors
    ///
    /// Those of [`AddAddressError`], the first that applies in its order.
    pub fn add(
        &mut self,
        address: &NetAddress,
        source: &NetAddress,
    ) -> Result<(), AddAddressError> {
        self.may_be_told(address, source)?;
        let now = self.now;
        let Some(slot) = self.table.slot_of(&address.id) else {
            let known = KnownAddress::new(address.clone(), without_name(source), now);
            self.table.insert_new(known, now);
            return Ok(());
        };
        let known = self.table.known(slot);
        if known.class == Class::New && self.is_worth_another_bucket(known.buckets.len()) {
            self.table.add_source(slot, &without_name(source), now);
        }
        Ok(())
    }

    /// Once in 2k times for an address in `held` = k buckets.
    fn is_worth_another_bucket(&mut self, held: usize) -> bool {
        let odds = 2 * u32::try_from(held).expect("an address is in four buckets at most");
        self.chance.below(odds) == 0
    }

    fn may_be_told(
        &self,
        address: &NetAddress,
        source: &NetAddress,
    ) -> Result<(), AddAddressError> {
        self.may_be_an_address(address)?;
        if self.is_banned(&address.id) {
            return Err(AddAddressError::Banned);
        }
        if self.is_private(&address.id) {
            return Err(AddAddressError::Private);
        }
        if self.is_private(&source.id) {
            return Err(AddAddressError::PrivateSource);
        }
        if self.is_ours(address) {
            return Err(AddAddressError::OurAddress);
        }
        self.may_be_reached(address)
    }

    /// What an entry of a file must meet. Private and own addresses are told to the book later.
    fn may_enter(&self, address: &NetAddress) -> Result<(), AddAddressError> {
        self.may_be_an_address(address)?;
        if self.is_banned(&address.id) {
            return Err(AddAddressError::Banned);
        }
        self.may_be_reached(address)
    }

    fn may_be_an_address(&self, address: &NetAddress) -> Result<(), AddAddressError> {
        match address.host {
            Host::Name(_) => Err(AddAddressError::Name),
            Host::Unix(_) => Err(AddAddressError::Invalid),
            Host::Ip(_) if !address.is_valid() => Err(AddAddressError::Invalid),
            Host::Ip(_) if address.port == 0 => Err(AddAddressError::NoPort),
            Host::Ip(_) => Ok(()),
        }
    }

    fn may_be_reached(&self, address: &NetAddress) -> Result<(), AddAddressError> {
        if self.config.strict && !address.is_routable() {
            return Err(AddAddressError::NotRoutable);
        }
        Ok(())
    }

    /// Forgets the node of `address`, unless it is banned.
    pub fn remove(&mut self, address: &NetAddress) {
        self.forget(&address.id);
    }

    fn forget(&mut self, id: &NodeId) -> Option<KnownAddress> {
        let slot = self.table.slot_of(id)?;
        Some(self.table.remove(slot))
    }

    /// Notes that the node of `address` is being dialed.
    pub fn mark_attempt(&mut self, address: &NetAddress, now: Timestamp) {
        self.now = now;
        if let Some(slot) = self.table.slot_of(&address.id) {
            self.table.attempted(slot, now);
        }
    }

    /// Notes that we are connected to `id` and it keeps the rules: its address is old from now on.
    pub fn mark_good(&mut self, id: &NodeId, now: Timestamp) {
        self.now = now;
        if let Some(slot) = self.table.slot_of(id) {
            self.table.succeeded(slot, now);
        }
    }

    /// Bans the node of `address` for `span` if the book knows it: it leaves the book, and comes
    /// back by [`AddrBook::reinstate_bad`] at the earliest. A ban is never shortened.
    pub fn mark_bad(&mut self, address: &NetAddress, span: Duration, now: Timestamp) {
        self.now = now;
        let until = now + span;
        if self.is_banned(&address.id) {
            self.bans.extend(&address.id, until);
        } else if let Some(known) = self.forget(&address.id) {
            self.bans.insert(known, until);
        }
    }

    /// Takes those back whose ban has ended, as new addresses with no attempts, and says how many.
    pub fn reinstate_bad(&mut self, now: Timestamp) -> usize {
        self.now = now;
        let ended = self.bans.take_ended(now);
        let count = ended.len();
        for mut known in ended {
            // Else the limit of attempts, which may be why it was banned, would end its new chance.
            known.attempts = 0;
            let id = known.id();
            if !self.is_private(&id) && !self.our_ids.contains(&id) {
                self.table.insert_new(known, now);
            }
        }
        count
    }

    /// Whether `id` is banned: until its ban has ended *and* it was reinstated.
    pub fn is_banned(&self, id: &NodeId) -> bool {
        self.bans.contains(id)
    }

    /// Whether we have been connected to `id`. False for an id that is not known.
    pub fn is_good(&self, id: &NodeId) -> bool {
        self.known(id)
            .is_some_and(|known| known.class == Class::Old)
    }

    /// Whether the book has an address of `id`.
    pub fn contains(&self, id: &NodeId) -> bool {
        self.table.slot_of(id).is_some()
    }

    /// Whether the book has an address of the node of `address`, as the reference asks it: whatever
    /// host and port it is known by.
    pub fn has_address(&self, address: &NetAddress) -> bool {
        self.contains(&address.id)
    }

    /// The address of `id`.
    pub fn address_of(&self, id: &NodeId) -> Option<&NetAddress> {
        self.known(id).map(KnownAddress::address)
    }

    /// Attempts to connect to `id` since the last success.
    pub fn attempts_of(&self, id: &NodeId) -> Option<u32> {
        self.known(id).map(KnownAddress::attempts)
    }

    /// All that is known of `id`.
    pub fn known(&self, id: &NodeId) -> Option<&KnownAddress> {
        self.table.slot_of(id).map(|slot| self.table.known(slot))
    }

    /// Says that `address` is our own. The book forgets all addresses of its id and takes none.
    /// Of more than 256 own addresses only the ids are kept.
    pub fn add_our_address(&mut self, address: NetAddress) {
        self.forget(&address.id);
        self.our_ids.insert(address.id);
        if self.our_addresses.len() < OUR_ADDRESSES_MAX {
            self.our_addresses.insert(address);
        }
    }

    /// Whether [`AddrBook::add_our_address`] was told this very address.
    pub fn is_our_address(&self, address: &NetAddress) -> bool {
        self.our_addresses.contains(address)
    }

    fn is_ours(&self, address: &NetAddress) -> bool {
        self.our_ids.contains(&address.id)
    }

    /// Says whose addresses are never told (`private_peer_ids`). The book forgets them and takes
    /// none of them.
    pub fn add_private_ids(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        for id in ids {
            self.forget(&id);
            self.private_ids.insert(id);
        }
    }

    /// Says anew whose addresses are never told: those of these and of nobody else. Who is no longer
    /// among them may be learned again.
    pub fn set_private_ids(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        self.private_ids.clear();
        self.add_private_ids(ids);
    }

    /// Whether the addresses of `id` are never told.
    pub fn is_private(&self, id: &NodeId) -> bool {
        self.private_ids.contains(id)
    }

    /// An address to dial, a new one with about `bias_new` per cent chance (over 100 is 100): the
    /// class is weighed by the square root of its size, so that a large class does not drown a
    /// small one. `None` if the book is empty.
    pub fn pick(&mut self, bias_new: u8) -> Option<NetAddress> {
        let class = self.pick_class(bias_new)?;
        self.table.pick(class, &mut self.chance).cloned()
    }

    fn pick_class(&mut self, bias_new: u8) -> Option<Class> {
        let population = self.table.population();
        match (population.new, population.old) {
            (0, 0) => None,
            (0, _) => Some(Class::Old),
            (_, 0) => Some(Class::New),
            (new, old) => {
                let bias_new = bias_new.min(100);
                let weight = |len: usize, bias: u8| (len as f64).sqrt() * f64::from(bias);
                let (new, old) = (weight(new, bias_new), weight(old, 100 - bias_new));
                let drawn = f64::from(self.chance.below(u32::MAX)) / f64::from(u32::MAX);
                let is_old = (new + old) * drawn < old;
                Some(if is_old { Class::Old } else { Class::New })
            }
        }
    }

    /// Addresses to tell a peer: 23 % of the book, at least 32 if there are so many, at most 250,
    /// each as likely as the others.
    pub fn selection(&mut self) -> Vec<NetAddress> {
        let numbers = self.table.population().select(&mut self.chance);
        self.addresses(&numbers)
    }

    /// As [`AddrBook::selection`], with `bias_new` per cent new addresses (over 100 is 100), first
    /// in the list; where one class has too few, the other fills up.
    pub fn selection_with_bias(&mut self, bias_new: u8) -> Vec<NetAddress> {
        let population = self.table.population();
        let numbers = population.select_with_bias(&mut self.chance, bias_new);
        self.addresses(&numbers)
    }

    fn addresses(&self, numbers: &[u16]) -> Vec<NetAddress> {
        let addresses = numbers.iter().map(|number| self.table.numbered(*number));
        addresses.cloned().collect()
    }

    /// Addresses in the book, without the banned ones.
    pub fn len(&self) -> usize {
        self.new_len() + self.old_len()
    }

    /// Whether nobody is known. Our own addresses and private ones are never in the book.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Addresses that are hearsay.
    pub fn new_len(&self) -> usize {
        self.table.population().new
    }

    /// Addresses that we have been connected to.
    pub fn old_len(&self) -> usize {
        self.table.population().old
    }

    /// Whether peers should be asked for more: below 1000 addresses.
    pub fn needs_more(&self) -> bool {
        self.len() < ENOUGH_ADDRESSES
    }

    /// All addresses of the book, in no order that means anything.
    pub fn entries(&self) -> impl Iterator<Item = &KnownAddress> {
        self.table.iter()
    }

    /// All addresses that are banned, by id.
    pub fn banned(&self) -> impl ExactSizeIterator<Item = &KnownAddress> {
        self.bans.iter()
    }

    /// All entries in the order of their ids, to compare books.
    fn entries_by_id(&self) -> Vec<&KnownAddress> {
        let mut entries: Vec<_> = self.entries().collect();
        entries.sort_by_key(|known| known.id());
        entries
    }

    /// Checks what holds between two calls. It looks at every address.
    pub(super) fn invariants(&self) {
        self.table.invariants();
        self.bans.invariants();
        for known in self.banned() {
            let is_held = self.contains(&known.id());
            assert!(!is_held, "what is banned is not in the book");
        }
        for known in self.entries() {
            assert!(!self.is_private(&known.id()) && !self.our_ids.contains(&known.id()));
            assert!(!self.config.strict || known.address.is_routable());
        }
    }
}

/// The source as it is kept. One with a name, or behind a Unix socket, has no network that could be told;
/// all of them count as one, and the reference's reader of the file wants an IP.
fn without_name(source: &NetAddress) -> NetAddress {
    let ip = match source.host {
        Host::Ip(ip) => ip,
        Host::Name(_) | Host::Unix(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    NetAddress::from_ip(source.id, ip, source.port)
}

#[cfg(test)]
mod tests;
