//! Seen from outside: logs, metrics, latencies, health, the HTTP endpoints. The engine reports here once a batch and reads nothing back.

pub mod accounting;
pub mod chart;
pub mod descriptions;
mod duration_text;
pub mod exposition;
pub mod health;
mod history;
pub mod http;
pub mod lag;
pub mod latency;
mod logs;
pub mod metrics;
pub mod percentile_files;
mod process;
pub mod status;
#[cfg(test)]
mod text_format;

pub use duration_text::DurationText;
pub use logs::{AUDIT, init_audit, init_logs};

/// Whether to colour what goes to a stream: only a terminal's, and not where `NO_COLOR` is set to anything.
pub fn color_wanted(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
