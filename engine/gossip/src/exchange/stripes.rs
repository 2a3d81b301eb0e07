//! [`Stripes`]: some of the sixteen parts into which the shards of every segment are dealt out.
//!
//! Shard `i` of a segment is of stripe `i mod 16`. A neighbour that feeds a stripe sends all its shards, so stripes are
//! what nodes ask each other for beforehand.

/// How many stripes there are.
pub const STRIPES: usize = 16;

/// A stripe: 0 to 15.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Stripe(u8);

impl Stripe {
    /// The stripe of a segment's shard.
    pub fn of(shard: u16) -> Self {
        Stripe((usize::from(shard) % STRIPES) as u8)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Stripe> {
        (0..STRIPES as u8).map(Stripe)
    }

    /// Its number: below [`STRIPES`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of stripes, a bit for each, stripe 0 lowest.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stripes(pub u16);

impl Stripes {
    /// Whether a stripe is in it.
    pub fn contains(&self, stripe: Stripe) -> bool {
        self.0 & (1 << stripe.0) != 0
    }

    /// Adds a stripe.
    pub fn insert(&mut self, stripe: Stripe) {
        self.0 |= 1 << stripe.0;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = Stripe> + use<> {
        let set = *self;
        Stripe::all().filter(move |stripe| set.contains(*stripe))
    }
}

impl FromIterator<Stripe> for Stripes {
    fn from_iter<I: IntoIterator<Item = Stripe>>(stripes: I) -> Self {
        let mut set = Stripes::default();
        stripes.into_iter().for_each(|stripe| set.insert(stripe));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_dealt_out_in_turn() {
        let first = Stripe::all().next().unwrap();
        assert_eq!([0, 16, 240].map(Stripe::of), [first; 3]);
        assert_eq!(Stripe::of(255).index(), STRIPES - 1);
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let set: Stripes = [3, 15, 19].map(Stripe::of).into_iter().collect();
        assert_eq!(set, Stripes(1 << 3 | 1 << 15));
        assert_eq!(set.len(), 2);
        assert!(set.contains(Stripe::of(3)) && !set.contains(Stripe::of(4)));
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 15].map(Stripe::of));
    }
}
