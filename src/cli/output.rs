//! Standard output carries results, standard error everything else.

use super::failure::Failure;
use crate::config::{LogFormat, LogOutput};
use crate::error::{EngineError, ExitCode, Stage};
use std::fmt::{Arguments, Display};
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a line of the result could not be written, first of all.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// A line of the result. A reader that has gone away (`| head`) is no error of ours.
pub(super) fn say(line: Arguments<'_>) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        UNWRITTEN.get_or_init(|| error.to_string());
    }
}

/// How a command ends whose result is all that it is for.
pub(super) fn written() -> Result<ExitCode, Failure> {
    UNWRITTEN.get().map_or(Ok(ExitCode::Clean), |why| Err(unwritten(why)))
}

/// The result could not be written: why.
pub(super) fn unwritten(why: impl Display) -> Failure {
    let message = format!("standard output cannot be written: {why}");
    EngineError::new(Stage::Start, ExitCode::Delivery, message).into()
}

/// A line for whoever watches.
pub(super) fn tell(line: Arguments<'_>) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Warnings of the configuration, for commands that keep no log.
pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
        tell(format_args!("warning: {warning}"));
    }
}

static LOG_ERRORS: AtomicBool = AtomicBool::new(false);

static TELL_ERRORS: AtomicBool = AtomicBool::new(true);

/// From now on the error that ends a command is a log line. Where the log is JSON on standard error, nothing else may stand among
/// its lines; where it is a file, whoever watches is told too.
pub(super) fn log_errors(log: &LogOutput) {
    LOG_ERRORS.store(log.format != LogFormat::Text || log.file.is_some(), Ordering::Relaxed);
    TELL_ERRORS.store(log.format == LogFormat::Text || log.file.is_some(), Ordering::Relaxed);
}

/// The error that ends a command.
pub(super) fn fail(failure: &Failure) {
    if LOG_ERRORS.load(Ordering::Relaxed) {
        failure.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        tracing::error!(exit_code = failure.code() as u8, "{failure}");
    }
    if TELL_ERRORS.load(Ordering::Relaxed) {
        warn(failure.warnings());
        tell(format_args!("error: {failure}"));
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 partition`, `6 partitions`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1000, 1_048_588].map(grouped), ["0", "999", "1,000", "1,048,588"]);
    }
}
