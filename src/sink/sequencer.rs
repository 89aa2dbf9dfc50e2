//! Restores one source's order: the pool finishes batches in any order, the producer gets them in the order they were read.

use std::collections::BTreeMap;

/// Holds what came early. It never holds more than the source has batches.
#[derive(Debug)]
pub struct Sequencer<T> {
    next: u64,
    early: BTreeMap<u64, T>,
}

impl<T> Default for Sequencer<T> {
    fn default() -> Self {
        Self { next: 0, early: BTreeMap::new() }
    }
}

impl<T> Sequencer<T> {
    /// Takes an item in.
    ///
    /// # Panics
    /// If its number was released or taken in before: numbers are given once.
    pub fn push(&mut self, sequence: u64, item: T) {
        assert!(sequence >= self.next, "a batch's number is given once");
        assert!(self.early.insert(sequence, item).is_none(), "a batch's number is given once");
    }

    /// The next in order, if it is there.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.early.remove(&self.next)?;
        self.next += 1;
        Some(item)
    }

    /// How many wait for an earlier one.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.early.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_order_in_is_the_one_order_out(order in Just((0..40u64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut sequencer = Sequencer::default();
            let mut released = Vec::new();
            for sequence in order {
                sequencer.push(sequence, sequence);
                while let Some(item) = sequencer.pop() {
                    released.push(item);
                }
            }
            prop_assert_eq!(released, (0..40).collect::<Vec<_>>());
            prop_assert_eq!(sequencer.waiting(), 0);
        }
    }

    #[test]
    #[should_panic(expected = "given once")]
    fn a_number_twice_is_a_bug() {
        let mut sequencer = Sequencer::default();
        sequencer.push(0, ());
        sequencer.pop();
        sequencer.push(0, ());
    }
}
