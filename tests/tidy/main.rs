//! What the compiler does not check and reviewers forget: who imports whom, where a dependency lives, how long things are,
//! which words are used, and that the documents say what the code does.
//!
//! Each rule is a function from sources to complaints, so that the rule itself can be tested on a source that breaks it.

mod documents;
mod homes;
mod layers;
mod results;
mod shipped;
mod sizes;
mod source;
mod words;

/// Fails with all complaints at once.
#[track_caller]
fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
