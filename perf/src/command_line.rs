//! What the command lines of the tools have in common.

/// For clap: `NAME=VALUE`, a variable or a client property.
///
/// # Errors
/// What is missing.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not of the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
