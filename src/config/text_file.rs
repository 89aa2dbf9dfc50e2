//! Files that people write: settings and contracts.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a file of text, no larger than one that people write can reasonably be.
///
/// # Errors
/// It cannot be read, is larger, or is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    const BYTES_MAX: u64 = 4 << 20;
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {} MiB", BYTES_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not a text file in UTF-8"))
}
