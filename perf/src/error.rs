//! What went wrong, as one sentence for the person who started the tool.

use rdkafka::error::KafkaError;

/// A sentence. The tools stop at the first one; nothing here is handled by kind.
#[derive(Debug, Clone)]
pub struct Error(pub String);

/// What everything here returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with `text` as its sentence.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For `map_err`: puts what was being done in front of what happened.
    pub fn while_doing<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> Error {
        move |error| Error(format!("{what}: {error}"))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<KafkaError> for Error {
    fn from(error: KafkaError) -> Self {
        Self(format!("kafka: {error}"))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self(format!("i/o: {error}"))
    }
}
