//! `try`: the contract over lines of JSON, without Kafka.

use super::command_line::{self, is_json, point_in_time, sources, with_settings};
use super::contract;
use super::failure::Failure;
use super::output;
use super::try_events::{self, Format};
use crate::config::Resolver;
use crate::config::settings::Command as Reads;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::properties;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(super) fn command() -> Command {
    let command = Command::new("try")
        .about("Judge lines of JSON from a file or standard input by the contract; no Kafka")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("One event a line; standard input without it, or with -"),
        )
        .arg(command_line::format())
        .arg(
            Arg::new("now")
                .long("now")
                .value_name("TIME")
                .value_parser(point_in_time)
                .help("The clock stands at this time, such as 2026-01-01T00:00:00Z"),
        )
        .arg(
            Arg::new("fail-on-dead-letter")
                .long("fail-on-dead-letter")
                .action(ArgAction::SetTrue)
                .help("Exit with 65 if an event is refused"),
        );
    with_settings(command, Reads::Try)
}

pub(super) fn run(typed: &ArgMatches) -> Result<ExitCode, Failure> {
    let sources = sources(typed)?.without_kafka();
    let mut resolver = Resolver::new(&sources, properties::judge);
    let path = resolver.contract();
    let plan = contract::read(path.as_deref(), &mut resolver);
    let (plan, _) = resolver.finish(Reads::Try, plan)?;
    let now = typed.get_one::<SystemTime>("now").copied().unwrap_or_else(SystemTime::now);
    let format = if is_json(typed) { Format::Json } else { Format::Text };
    let events = open(typed.get_one::<PathBuf>("file").map(PathBuf::as_path))?;
    let is_asked = typed.get_flag("fail-on-dead-letter");
    let mut out = BufWriter::new(Audience::new(std::io::stdout().lock(), is_asked));
    let counts = match try_events::run(&plan, events, now, format, &mut out, &mut std::io::stderr().lock()) {
        Ok(counts) => counts,
        // A reader that has gone away (`| head`) has seen what it wanted, and nobody asks for more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::Clean),
        Err(error) if out.get_ref().is_full => return Err(output::unwritten(error)),
        Err(error) => return Err(failed(format!("events cannot be read: {error}"))),
    };
    if counts.dead_letters > 0 && is_asked {
        return Ok(ExitCode::DeadLetter);
    }
    Ok(ExitCode::Clean)
}

/// Whoever reads the verdicts.
struct Audience<W> {
    out: W,
    /// The exit code is about all events: they are judged to the end, though nobody may be left to read of them (`| head`).
    is_optional: bool,
    is_gone: bool,
    /// It takes no more, as a file on a disk that is full.
    is_full: bool,
}

impl<W> Audience<W> {
    fn new(out: W, is_optional: bool) -> Self {
        Self { out, is_optional, is_gone: false, is_full: false }
    }

    fn tell<T>(&mut self, otherwise: T, tell: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.is_gone {
            return Ok(otherwise);
        }
        tell(&mut self.out).or_else(|error| {
            self.is_full = !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted);
            self.is_gone = self.is_optional && error.kind() == ErrorKind::BrokenPipe;
            if self.is_gone { Ok(otherwise) } else { Err(error) }
        })
    }
}

impl<W: Write> Write for Audience<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tell(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tell((), Write::flush)
    }
}

/// The file, or standard input.
fn open(path: Option<&Path>) -> Result<Box<dyn BufRead>, Failure> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        return Ok(Box::new(std::io::stdin().lock()));
    };
    let file =
        File::open(path).map_err(|error| failed(format!("{} cannot be read: {error}", path.display())))?;
    Ok(Box::new(BufReader::new(file)))
}

fn failed(message: String) -> Failure {
    EngineError::new(Stage::Start, ExitCode::Usage, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Plan;

    /// A pipe whose other end is closed.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_ends_it_unless_the_exit_code_is_asked_for() {
        let judge = |is_optional| {
            let (plan, events) = (Plan::user_login(), &b"1\n2\n3\n"[..]);
            let mut out = Audience::new(Closed, is_optional);
            let counts = try_events::run(
                &plan,
                events,
                SystemTime::UNIX_EPOCH,
                Format::Text,
                &mut out,
                &mut io::sink(),
            );
            counts.map(|counts| counts.dead_letters).map_err(|error| error.kind())
        };
        assert_eq!(judge(true), Ok(3));
        assert_eq!(judge(false), Err(ErrorKind::BrokenPipe));
    }
}
