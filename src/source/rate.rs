//! The rate limit: a token bucket that all sources of the process share.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Hands out permits for records, evenly: what is not used within a hundredth of a second is lost, so that no second gets more
/// than its share and one hundredth.
#[derive(Debug)]
pub struct RateLimit {
    per_second: f64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    permits: f64,
    filled_at: Instant,
}

impl RateLimit {
    /// At most `per_second` records a second.
    pub fn new(per_second: NonZeroU64, now: Instant) -> Self {
        Self {
            per_second: per_second.get() as f64,
            bucket: Mutex::new(Bucket { permits: 0.0, filled_at: now }),
        }
    }

    /// Takes up to `wanted` permits. None at all: how long to wait for the next.
    pub fn take(&self, wanted: usize, now: Instant) -> Result<usize, Duration> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        let most = (self.per_second / 100.0).max(1.0);
        bucket.permits = (bucket.permits + elapsed * self.per_second).min(most);
        bucket.filled_at = now;
        let granted = bucket.permits.floor().min(wanted as f64);
        if granted < 1.0 {
            return Err(Duration::from_secs_f64(((1.0 - bucket.permits) / self.per_second).min(1.0)));
        }
        bucket.permits -= granted;
        Ok(granted as usize)
    }

    /// Gives back permits that found no record.
    pub fn give_back(&self, unused: usize) {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).permits += unused as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(per_second: u64, step: Duration, seconds: u32) -> usize {
        let start = Instant::now();
        let limit = RateLimit::new(NonZeroU64::new(per_second).expect("not zero"), start);
        let (mut taken, mut now) = (0, start);
        while now < start + Duration::from_secs(seconds.into()) {
            now += step;
            taken += limit.take(4096, now).unwrap_or(0);
        }
        taken
    }

    #[test]
    fn no_more_and_hardly_less_than_the_rate() {
        for per_second in [1, 50, 1_000, 300_000] {
            let taken = run(per_second, Duration::from_millis(1), 10) as f64;
            let due = (per_second * 10) as f64;
            assert!((due * 0.98 - 1.0..=due * 1.02).contains(&taken), "{per_second}/s gave {taken} in 10 s");
        }
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let start = Instant::now();
        let limit = RateLimit::new(NonZeroU64::new(1_000).expect("not zero"), start);
        assert_eq!(limit.take(4096, start + Duration::from_secs(60)), Ok(10));
    }

    #[test]
    fn unused_permits_come_back() {
        let start = Instant::now();
        let limit = RateLimit::new(NonZeroU64::new(1_000).expect("not zero"), start);
        let now = start + Duration::from_millis(10);
        assert_eq!(limit.take(4096, now), Ok(10));
        assert!(limit.take(1, now).is_err());
        limit.give_back(4);
        assert_eq!(limit.take(4096, now), Ok(4));
    }
}
