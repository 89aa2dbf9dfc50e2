//! The line on standard error: where the measurement is, and about how long the rest takes.

use std::time::{Duration, Instant};

/// One part's runs, as planned and as they went.
struct Stretch {
    name: &'static str,
    steps: u32,
    /// What a step was thought to take, in seconds.
    guess: f64,
    done: u32,
    took: f64,
}

/// All parts that will be measured.
#[derive(Default)]
pub(crate) struct Progress {
    stretches: Vec<Stretch>,
    step_started: Option<Instant>,
}

impl Progress {
    /// Adds a part with so many steps of about so many seconds.
    pub(crate) fn plan(&mut self, name: &'static str, steps: u32, guess: f64) {
        self.stretches.push(Stretch { name, steps, guess, done: 0, took: 0.0 });
    }

    /// Says that a step begins. The one before it has ended.
    pub(crate) fn step(&mut self, name: &str, what: &str) {
        self.pause(name);
        let left = self.left();
        if let Some(stretch) = self.stretches.iter_mut().find(|stretch| stretch.name == name) {
            stretch.done += 1;
            let (at, of) = (stretch.done, stretch.steps.max(stretch.done));
            eprintln!("[{name} {at}/{of}] {what}; about {} left", told(left));
        }
        self.step_started = Some(Instant::now());
    }

    /// Ends the step that is under way.
    pub(crate) fn pause(&mut self, name: &str) {
        let Some(started) = self.step_started.take() else { return };
        if let Some(stretch) = self.stretches.iter_mut().find(|stretch| stretch.name == name) {
            stretch.took += started.elapsed().as_secs_f64();
        }
    }

    /// A part is over, with fewer steps than planned perhaps.
    pub(crate) fn over(&mut self, name: &str) {
        self.pause(name);
        if let Some(stretch) = self.stretches.iter_mut().find(|stretch| stretch.name == name) {
            stretch.steps = stretch.done;
        }
    }

    /// What is left: steps of a begun part take as long as those before them, parts to come as long as was guessed, corrected
    /// by how wrong the guesses have been so far.
    fn left(&self) -> Duration {
        let took: f64 = self.stretches.iter().map(|stretch| stretch.took).sum();
        let guessed: f64 = self.stretches.iter().map(|stretch| f64::from(stretch.done) * stretch.guess).sum();
        let correction = if guessed > 0.0 { took / guessed } else { 1.0 };
        let left = self.stretches.iter().map(|stretch| {
            let steps = f64::from(stretch.steps.saturating_sub(stretch.done));
            let step = if stretch.done > 0 {
                stretch.took / f64::from(stretch.done)
            } else {
                stretch.guess * correction
            };
            steps * step
        });
        Duration::from_secs_f64(left.sum())
    }
}

fn told(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..90 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_was() {
        let mut progress = Progress::default();
        progress.plan("one", 4, 10.0);
        progress.plan("other", 2, 30.0);
        assert_eq!(progress.left(), Duration::from_secs(100));
        // Two of four steps took 5 s each, half of the guess: the other part is corrected likewise.
        progress.stretches[0].done = 2;
        progress.stretches[0].took = 10.0;
        assert_eq!(progress.left(), Duration::from_secs(2 * 5 + 2 * 15));
        progress.over("one");
        assert_eq!(progress.left(), Duration::from_secs(30));
        assert_eq!(
            (told(Duration::from_secs(89)), told(Duration::from_secs(91))),
            ("89 s".into(), "2 min".into())
        );
    }
}
