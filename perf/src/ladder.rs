//! The sustained rate: the highest rung of a ladder of rates that still holds.

use crate::error::Result;

/// Rates, each a fixed factor above the one before.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    /// The lowest rate, events a second.
    pub first: u32,
    /// From one to the next.
    pub factor: f64,
    /// None above this.
    pub most: u32,
}

impl Ladder {
    /// Climbs until a rate does not hold twice in a row (once could be noise), and gives the last that held; `None` when the
    /// lowest does not hold. A rate holds when `holds` says so.
    pub fn climb(&self, mut holds: impl FnMut(u32) -> Result<bool>) -> Result<Option<u32>> {
        let mut held = None;
        let mut rate = f64::from(self.first);
        while rate <= f64::from(self.most) {
            let rung = rounded(rate);
            if !holds(rung)? && !holds(rung)? {
                break;
            }
            held = Some(rung);
            rate *= self.factor;
        }
        Ok(held)
    }
}

/// To whole thousands.
fn rounded(rate: f64) -> u32 {
    (rate / 1000.0).round().max(1.0) as u32 * 1000
}

#[cfg(test)]
mod tests {
    use super::Ladder;

    const LADDER: Ladder = Ladder { first: 100_000, factor: 1.25, most: 1_000_000 };

    fn climb(holds: impl Fn(u32, u32) -> bool) -> (Option<u32>, Vec<u32>) {
        let mut tried: Vec<u32> = Vec::new();
        let held = LADDER.climb(|rate| {
            tried.push(rate);
            let times = tried.iter().filter(|other| **other == rate).count();
            Ok(holds(rate, u32::try_from(times).unwrap()))
        });
        (held.unwrap(), tried)
    }

    #[test]
    fn the_last_rate_that_holds_is_found_and_the_next_is_tried_twice() {
        let (held, tried) = climb(|rate, _| rate <= 160_000);
        assert_eq!(held, Some(156_000));
        assert_eq!(tried, [100_000, 125_000, 156_000, 195_000, 195_000]);
    }

    #[test]
    fn one_failure_is_forgiven_and_the_top_is_the_top() {
        let (held, tried) = climb(|rate, time| rate != 125_000 || time == 2);
        assert_eq!(held, Some(931_000));
        assert_eq!(tried.iter().filter(|rate| **rate == 125_000).count(), 2);
        assert_eq!(climb(|_, _| false), (None, vec![100_000, 100_000]));
    }
}
