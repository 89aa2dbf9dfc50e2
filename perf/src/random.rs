//! Seeded random numbers: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).

/// The same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each pair: any event can be made without those before it.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed);
        Self(random.next_u64() ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias is bound / 2^64.
        self.next_u64() % bound
    }

    /// `true` in this share of cases.
    pub fn chance(&mut self, share: f64) -> bool {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 <= share && share > 0.0
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("below a length")]
    }

    /// Puts things into a random order (Fisher, Yates).
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).expect("below a length");
            things.swap(at, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;
    use std::collections::HashSet;

    #[test]
    fn shuffling_keeps_everything_and_reaches_every_order() {
        let mut orders = HashSet::new();
        for seed in 0..200 {
            let mut things = [1, 2, 3];
            Random::new(seed, 0).shuffle(&mut things);
            let mut again = [1, 2, 3];
            Random::new(seed, 0).shuffle(&mut again);
            assert_eq!(things, again, "the same seed gives the same order");
            orders.insert(things);
        }
        assert_eq!(orders.len(), 6);
        assert!(orders.iter().all(|order| order.iter().collect::<HashSet<_>>().len() == 3));
    }
}
