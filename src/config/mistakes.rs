//! What is wrong with a configuration: every mistake, told at once.

use super::settings::{Setting, setting};
use std::fmt;

/// One mistake: what it is about, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Variables with their flags.
    pub subject: String,
    /// What was found and what is taken. Never a secret.
    pub problem: String,
}

impl Mistake {
    /// A mistake about settings of the table.
    pub fn about(variables: &[&str], problem: impl Into<String>) -> Mistake {
        let names: Vec<String> = variables.iter().map(|variable| named(setting(variable))).collect();
        Mistake { subject: names.join(", "), problem: problem.into() }
    }

    /// A mistake about a name that is in no table.
    pub fn of(subject: impl Into<String>, problem: impl Into<String>) -> Mistake {
        Mistake { subject: subject.into(), problem: problem.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)
    }
}

/// All mistakes of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// What must be mended; at least one.
    pub mistakes: Vec<Mistake>,
    /// What is suspicious, and may be the cause: a misspelt `KAFKA_INPUT_TOPICS` is why the input topic is missing.
    pub warnings: Vec<String>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [mistake] = self.mistakes.as_slice() {
            return write!(f, "configuration: {mistake}");
        }
        write!(f, "configuration: {} mistakes", self.mistakes.len())?;
        for mistake in &self.mistakes {
            write!(f, "\n  {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// `VARIABLE (--flag)`.
pub fn named(setting: &Setting) -> String {
    match setting.flag {
        Some(flag) => format!("{} (--{flag})", setting.variable),
        None => setting.variable.to_owned(),
    }
}

/// A value as an error shows it: in quotes, control characters escaped, cut where it is long.
pub fn quoted(value: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    if value.chars().count() <= SHOWN_CHARS_MAX {
        return format!("{value:?}");
    }
    let cut: String = value.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{cut:?}…")
}
