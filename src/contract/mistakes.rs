//! What is wrong with a contract file: all of it, with lines.

use std::fmt;
use std::ops::Range;

/// What is wrong with a contract file: every mistake, each with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractError {
    origin: String,
    mistakes: Vec<Mistake>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mistake {
    line: usize,
    message: String,
}

impl ContractError {
    /// Every mistake: file, line, what is wrong, what is accepted.
    pub fn lines(&self) -> Vec<String> {
        let line = |mistake: &Mistake| format!("{}:{}: {}", self.origin, mistake.line, mistake.message);
        self.mistakes.iter().map(line).collect()
    }
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl std::error::Error for ContractError {}

/// Collects mistakes while a contract is read.
#[derive(Debug)]
pub(super) struct Mistakes<'t> {
    text: &'t str,
    found: Vec<Mistake>,
    /// Lines that are no TOML: nothing else is said of them, as it would only follow from that.
    broken: Vec<usize>,
}

impl<'t> Mistakes<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new(), broken: Vec::new() }
    }

    /// The text breaks TOML's own rules at these bytes. Told before any other mistake.
    pub(super) fn syntax(&mut self, at: Range<usize>, message: &str) {
        let line = self.line(at.start);
        if message != "duplicate key" {
            self.push(at.start, format!("{message}; a contract is a TOML file"));
            return self.broken.push(line);
        }
        let lines: Vec<&str> = self.text.lines().skip(line - 1).map(str::trim).collect();
        let is_header = |line: &&str| line.starts_with('[');
        if let Some((header, _)) =
            lines.first().filter(|line| is_header(line)).and_then(|line| line.split_once(']'))
        {
            self.push(at.start, format!("duplicate table `{header}]`; leave out one of them"));
            // Its lines would be judged as if they were those of the first.
            let below = lines.iter().skip(1).take_while(|line| !is_header(line)).count();
            self.broken.extend(line..=line + below);
        } else {
            let key = self.text.get(at.clone()).unwrap_or_default();
            self.push(at.start, format!("duplicate key `{key}`; leave out one of them"));
            self.broken.push(line);
        }
    }

    /// A mistake at byte `at`: what is wrong; what is accepted.
    pub(super) fn push(&mut self, at: usize, message: impl Into<String>) {
        let line = self.line(at);
        if !self.broken.contains(&line) {
            self.found.push(Mistake { line, message: message.into() });
        }
    }

    /// Something that should be there is not. Not said of a broken text: it may only not have been understood.
    pub(super) fn missing(&mut self, at: usize, message: impl Into<String>) {
        if self.broken.is_empty() {
            self.push(at, message);
        }
    }

    /// The error, if there is any mistake; in the order of the lines.
    pub(super) fn into_error(mut self, origin: &str) -> Option<ContractError> {
        self.found.sort_by_key(|mistake| mistake.line);
        (!self.found.is_empty()).then(|| ContractError { origin: origin.to_owned(), mistakes: self.found })
    }

    /// The line of byte `at`, from 1.
    fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count()
    }
}

/// The end of a message about an unknown word: the nearest known one, where one is near, and all of them.
pub(super) fn nearest(word: &str, known: &[&str]) -> String {
    let all = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let near = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&word.to_lowercase(), name), name))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(similarity, _)| *similarity > 0.75);
    match near {
        Some((_, name)) => format!("did you mean `{name}`? Accepted: {all}"),
        None => format!("accepted: {all}"),
    }
}
