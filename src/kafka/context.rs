//! What a client tells us about itself: its log goes to ours, and the reasons of its errors are kept, because a connection that
//! cannot be made ends as a mere timeout and only these tell why.

use super::code::Code;
use super::outage::ErrorLines;
use rdkafka::bindings as sys;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::ffi::CStr;
use std::sync::{Arc, Mutex, PoisonError};

/// The context of clients that need no more than this. Clones share what was heard.
#[derive(Clone, Debug, Default)]
pub struct Context {
    heard: Arc<Mutex<Heard>>,
    lines: Arc<ErrorLines>,
}

/// What a client said, last words first.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Authentication was refused.
    pub authentication: Option<String>,
    /// The broker's certificate was not accepted, or ours not by the broker.
    pub certificate: Option<String>,
    /// The last error of any kind.
    pub last: Option<String>,
}

impl Context {
    /// What was heard up to now.
    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match code {
            Some(RDKafkaErrorCode::Authentication) => heard.authentication = Some(reason.to_owned()),
            Some(RDKafkaErrorCode::SSL) if reason.contains("certificate") => {
                heard.certificate = Some(reason.to_owned())
            }
            // It only sums up what was said before.
            Some(RDKafkaErrorCode::AllBrokersDown) => return,
            _ => {}
        }
        heard.last = Some(reason.to_owned());
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        forward(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.lines.write("client error", Code::of(&error), reason);
        self.remember(error.rdkafka_error_code(), reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        tracing::debug!(target: "librdkafka", bytes = statistics.len(), "statistics");
    }
}

impl ConsumerContext for Context {}

/// A line of the client's log, into ours.
pub fn forward(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        // A connection that failed: the same words come as an error of the client at once, and have their line there.
        RDKafkaLogLevel::Error if facility == "FAIL" => {
            tracing::debug!(target: "librdkafka", facility, "{text}");
        }
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", facility, "{text}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{text}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{text}")
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{text}"),
    }
}

/// The same for a client whose log comes as events.
///
/// # Safety
/// The event is valid and a log line.
pub(super) unsafe fn forward_event(event: *mut sys::rd_kafka_event_t) {
    let (mut facility, mut message, mut level) = (std::ptr::null(), std::ptr::null(), 0);
    // SAFETY: as the caller promises; on success the strings live as long as the event.
    unsafe {
        if sys::rd_kafka_event_log(event, &mut facility, &mut message, &mut level) == 0 {
            let level = match level {
                ..=3 => RDKafkaLogLevel::Error,
                4 => RDKafkaLogLevel::Warning,
                5 | 6 => RDKafkaLogLevel::Info,
                _ => RDKafkaLogLevel::Debug,
            };
            forward(
                level,
                &CStr::from_ptr(facility).to_string_lossy(),
                CStr::from_ptr(message).to_string_lossy().trim(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_outlives_the_summary() {
        let context = Context::default();
        context.error(KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), "connection refused");
        context.error(KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(context.heard().last.as_deref(), Some("connection refused"));
        assert_eq!(context.heard().authentication, None);
    }

    #[test]
    fn refusals_are_told_apart() {
        let context = Context::default();
        context.error(KafkaError::Global(RDKafkaErrorCode::SSL), "certificate verify failed");
        context.clone().error(KafkaError::Global(RDKafkaErrorCode::Authentication), "wrong password");
        let heard = context.heard();
        assert_eq!(heard.certificate.as_deref(), Some("certificate verify failed"));
        assert_eq!(heard.authentication.as_deref(), Some("wrong password"));
    }
}
