//! Where settings come from: the command line, else the environment, else the file of `--env-file`.

use super::env_file;
use super::mistakes::{Mistake, Mistakes, quoted};
use super::text_file::read_text;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Everything that was set, by anybody.
#[derive(Clone, Default)]
pub struct Sources {
    flags: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    /// Names whose value is not UTF-8.
    unreadable: Vec<String>,
    file: BTreeMap<String, String>,
    file_path: Option<PathBuf>,
}

/// Where a value was found, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The process environment.
    Environment,
    /// The file of `--env-file`.
    File,
}

impl Origin {
    /// The word for a table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Origin::Flag => "command line",
            Origin::Environment => "environment",
            Origin::File => "file",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Flag => "on the command line",
            Origin::Environment => "in the environment",
            Origin::File => "in the file of --env-file",
        })
    }
}

/// A value and where it was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Given<'a> {
    /// The value, never empty.
    pub value: &'a str,
    /// Where it was found.
    pub origin: Origin,
}

impl Sources {
    /// Takes the environment as it is; what is not UTF-8 is remembered by name.
    pub fn from_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Sources {
        let mut sources = Sources::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(sources.environment.insert(name, value)),
                Err(_) => sources.unreadable.push(name),
            }
        }
        sources
    }

    /// Adds what the command line says about a variable.
    pub fn set_flag(&mut self, variable: &str, value: String) {
        self.flags.insert(variable.to_owned(), value);
    }

    /// Reads the file of `--env-file`. The process environment stays as it is.
    ///
    /// # Errors
    /// Unreadable, or lines that are no assignments: each named by its number, never quoted, for it may hold a secret.
    pub fn read_env_file(&mut self, path: &Path) -> Result<(), Mistakes> {
        let alone =
            |problem| Mistakes { mistakes: vec![env_file_fault(path, problem)], warnings: Vec::new() };
        let text = read_text(path).map_err(|error| alone(format!("cannot be read: {error}")))?;
        self.take_env_file(path, &text)
    }

    /// The same with the file's text at hand.
    ///
    /// # Errors
    /// Lines that are no assignments.
    pub fn take_env_file(&mut self, path: &Path, text: &str) -> Result<(), Mistakes> {
        let values = env_file::parse(text).map_err(|problems| Mistakes {
            mistakes: problems.into_iter().map(|problem| env_file_fault(path, problem)).collect(),
            warnings: Vec::new(),
        })?;
        self.file.extend(values);
        self.file_path = Some(path.to_owned());
        Ok(())
    }

    /// The same without anything that is called `KAFKA_…`.
    pub fn without_kafka(self) -> Sources {
        self.without(|name| name.starts_with("KAFKA_"))
    }

    /// The same without these variables.
    pub fn without(mut self, drops: impl Fn(&str) -> bool) -> Sources {
        for place in [&mut self.flags, &mut self.environment, &mut self.file] {
            place.retain(|name, _| !drops(name));
        }
        self
    }

    /// The file that was read.
    pub fn env_file(&self) -> Option<&Path> {
        self.file_path.as_deref()
    }

    /// The strongest value of a variable; an empty one counts as unset.
    pub fn find(&self, variable: &str) -> Option<Given<'_>> {
        let places = [
            (&self.flags, Origin::Flag),
            (&self.environment, Origin::Environment),
            (&self.file, Origin::File),
        ];
        places.into_iter().find_map(|(place, origin)| {
            let value = place.get(variable).map(String::as_str).filter(|value| !value.is_empty())?;
            Some(Given { value, origin })
        })
    }

    /// The names of everything that is set in environment or file, to something, in order and once.
    pub fn names(&self) -> Vec<&str> {
        let set = self.environment.iter().chain(&self.file).filter(|(_, value)| !value.is_empty());
        let mut names: Vec<&str> = set.map(|(name, _)| name.as_str()).collect();
        names.extend(self.unreadable.iter().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether the environment sets the variable to something that is not UTF-8.
    pub fn is_unreadable(&self, variable: &str) -> bool {
        self.unreadable.iter().any(|name| name == variable)
    }
}

impl Given<'_> {
    /// `got "many" in the environment`.
    pub fn shown(&self, secret: bool) -> String {
        if secret {
            format!("got *** {}", self.origin)
        } else {
            format!("got {} {}", quoted(self.value), self.origin)
        }
    }
}

fn env_file_fault(path: &Path, problem: String) -> Mistake {
    Mistake::of("--env-file", format!("{}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn environment(pairs: &[(&str, &str)]) -> Sources {
        Sources::from_environment(pairs.iter().map(|(name, value)| (name.into(), value.into())))
    }

    fn read(sources: &mut Sources, text: &str) -> Result<(), Mistakes> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("written");
        sources.read_env_file(file.path())
    }

    #[test]
    fn the_strongest_source_wins_and_empty_is_unset() {
        let mut sources = environment(&[("A", "environment"), ("B", ""), ("C", "")]);
        read(&mut sources, "A=file\nB=file\n").expect("a good file");
        sources.set_flag("C", String::new());
        assert_eq!(sources.find("A").map(|given| given.value), Some("environment"));
        assert_eq!(sources.find("B").map(|given| given.origin), Some(Origin::File));
        assert!(sources.find("C").is_none());
        sources.set_flag("A", "flag".to_owned());
        assert_eq!(sources.find("A").map(|given| given.value), Some("flag"));
    }

    #[test]
    fn bad_lines_of_the_file_are_told_at_once_with_its_path() {
        let mut sources = Sources::default();
        let text = "\u{feff}A=1\nPASSWORD canary-secret\nPASSWORD canary-secret\n";
        let error = read(&mut sources, text).expect_err("no assignments");
        let problems: Vec<&str> = error.mistakes.iter().map(|mistake| mistake.problem.as_str()).collect();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].ends_with(": line 2 is not NAME=value"), "{error}");
        assert!(problems[1].ends_with(": line 3 is not NAME=value"), "{error}");
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn the_file_does_not_touch_the_process_environment() {
        let mut sources = Sources::default();
        read(&mut sources, "GRISTMILL_FROM_FILE=1").expect("a good file");
        assert!(std::env::var_os("GRISTMILL_FROM_FILE").is_none());
        assert_eq!(sources.names(), ["GRISTMILL_FROM_FILE"]);
    }
}
