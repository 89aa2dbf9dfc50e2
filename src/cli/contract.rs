//! The contract of a command: the file that the configuration names, or the built-in one.

use crate::config::{Mistake, Resolver};
use crate::contract::Plan;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads the contract, or takes the built-in one; after a mistake that too. What is wrong with the file is told with what else is
/// wrong with the configuration.
pub(super) fn read(path: Option<&Path>, resolver: &mut Resolver<'_>) -> Plan {
    let Some(path) = path else { return Plan::user_login() };
    let origin = path.display().to_string();
    let problems = match read_text(path) {
        Ok(text) => match Plan::parse(&text, &origin) {
            Ok(plan) => return plan,
            Err(error) => error.lines(),
        },
        Err(error) => vec![format!("{origin} cannot be read: {error}")],
    };
    for problem in problems {
        resolver.mistake(Mistake::about(&["GRISTMILL_CONTRACT"], problem));
    }
    Plan::user_login()
}

/// A file of text, no larger than a contract can reasonably be.
fn read_text(path: &Path) -> io::Result<String> {
    const BYTES_MAX: u64 = 4 << 20;
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {} MiB", BYTES_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not a text file in UTF-8"))
}
