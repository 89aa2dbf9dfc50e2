//! The contract of a command: the file that the configuration names, or the built-in one.

use crate::config::{Mistake, Resolver, read_text};
use crate::contract::Plan;
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
