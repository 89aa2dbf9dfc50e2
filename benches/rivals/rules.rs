//! The login contract, as one would write it by hand.

use std::net::IpAddr;

/// The value of `processed_at`: the benches' clock stands still.
pub(crate) const NOW: &str = "1970-01-01T00:00:00Z";

/// What the rules look at. A member of another type, or a required one that is absent, ends the reading before.
pub(crate) struct Login<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) app_version: &'a str,
    pub(crate) device_type: &'a str,
    pub(crate) ip: Option<&'a str>,
}

impl Login<'_> {
    /// Whether the event passes.
    pub(crate) fn passes(&self) -> bool {
        !self.user_id.trim().is_empty()
            && is_version(self.app_version)
            && !self.device_type.trim().is_empty()
            && self.ip.is_none_or(is_public)
    }
}

/// One to three dotted numbers, from 2.0.0 on.
fn is_version(text: &str) -> bool {
    let mut numbers = text.splitn(3, '.').map(|number| number.parse::<u64>());
    matches!(numbers.next(), Some(Ok(2..))) && numbers.all(|number| number.is_ok())
}

fn is_public(text: &str) -> bool {
    text.is_empty()
        || match text.parse() {
            Ok(IpAddr::V4(address)) => !address.is_private(),
            Ok(IpAddr::V6(address)) => !address.is_unique_local(),
            Err(_) => false,
        }
}
