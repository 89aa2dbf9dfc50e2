//! `max.message.bytes` of topics. The engine goes by it for its whole run, so a connection that fails is no answer: the question is
//! asked again, of the next broker, until its time is over.

use super::{Admin, Context, STEP, TopicFacts, options};
use crate::error::EngineError;
use crate::kafka::Code;
use rdkafka::admin::{AdminClient, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::time::{Duration, Instant};

/// How long one broker may take, so that one that hangs leaves time for another.
const ATTEMPT: Duration = Duration::from_secs(5);

/// What to do about a question that failed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The connection or the broker had trouble.
    AskAgain,
    /// The broker does not know the question.
    NotKnown,
    /// It does not let us ask.
    NotAllowed,
}

impl Failure {
    fn of(code: RDKafkaErrorCode) -> Failure {
        if Code(code as i32).is_transient() {
            return Failure::AskAgain;
        }
        match code {
            RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion => Failure::NotKnown,
            _ => Failure::NotAllowed,
        }
    }
}

impl Admin {
    /// Asks `brokers` in turn: any broker knows it, while the controller, whom the client would ask by itself, may be missing (a
    /// cluster in process has none, and the question would wait in vain). Who may not look, or a broker that does not know the
    /// question, gets no answer, and that is an answer.
    ///
    /// # Errors
    /// No answer before the deadline (69).
    pub(super) fn add_limits(
        &self,
        topics: &mut [Option<TopicFacts>],
        brokers: &[i32],
        deadline: Instant,
    ) -> Result<(), EngineError> {
        let orders = self.orders()?;
        for &broker in brokers.iter().cycle() {
            let left = deadline.saturating_duration_since(Instant::now());
            let failure = match Self::ask_limits(orders, topics, broker, left.clamp(STEP, ATTEMPT)) {
                Ok(()) => Failure::NotAllowed,
                Err(KafkaError::AdminOp(code))
                    if !left.is_zero() || Failure::of(code) != Failure::AskAgain =>
                {
                    Failure::of(code)
                }
                Err(error) => return Err(self.sort(&error, "ask for max.message.bytes")),
            };
            if failure != Failure::AskAgain {
                tell_unknown(topics, failure);
                return Ok(());
            }
            tracing::debug!(broker, "max.message.bytes is asked again");
            // Serves the client meanwhile; it is subscribed to nothing.
            drop(self.client.poll(STEP));
        }
        Ok(())
    }

    /// Asks one broker. Where it refuses a topic, the topic comes without a value, and why is not told (rdkafka 0.39).
    fn ask_limits(
        orders: &AdminClient<Context>,
        topics: &mut [Option<TopicFacts>],
        broker: i32,
        time: Duration,
    ) -> Result<(), KafkaError> {
        let names: Vec<String> = topics.iter().flatten().map(|topic| topic.name.clone()).collect();
        let asked: Vec<ResourceSpecifier<'_>> =
            names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let results = pollster::block_on(orders.describe_configs(&asked, &options(time).broker_id(broker)))?;
        for resource in results.into_iter().flatten() {
            let OwnedResourceSpecifier::Topic(name) = &resource.specifier else { continue };
            let value = resource.get("max.message.bytes").and_then(|entry| entry.value.as_deref());
            let bytes = value.and_then(|value| value.parse().ok());
            for topic in topics.iter_mut().flatten().filter(|topic| topic.name == *name) {
                topic.max_message_bytes = bytes;
            }
        }
        Ok(())
    }
}

/// Says which topics Kafka's default is assumed for, and what comes of it.
fn tell_unknown(topics: &[Option<TopicFacts>], failure: Failure) {
    let unknown = topics.iter().flatten().filter(|topic| topic.max_message_bytes.is_none());
    let topics: Vec<&str> = unknown.map(|topic| topic.name.as_str()).collect();
    if topics.is_empty() {
        return;
    }
    let assumed = TopicFacts::MAX_MESSAGE_BYTES_DEFAULT;
    // A cluster in process never knows, and whoever plays with one need not hear of it.
    if failure == Failure::NotKnown {
        tracing::info!(
            ?topics,
            assumed,
            "the cluster does not tell max.message.bytes, Kafka's default is assumed"
        );
        return;
    }
    tracing::warn!(
        ?topics,
        assumed,
        "max.message.bytes is not shown to us, Kafka's default is assumed: what is larger goes to the dead letter topic even if \
         its topic would take it; grant DESCRIBE_CONFIGS on these topics to this user"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_no_answer_and_a_refusal_is() {
        use RDKafkaErrorCode as C;
        for code in [
            C::BrokerTransportFailure,
            C::OperationTimedOut,
            C::RequestTimedOut,
            C::AllBrokersDown,
            C::NetworkException,
        ] {
            assert_eq!(Failure::of(code), Failure::AskAgain, "{code}");
        }
        for code in [C::TopicAuthorizationFailed, C::ClusterAuthorizationFailed] {
            assert_eq!(Failure::of(code), Failure::NotAllowed, "{code}");
        }
        assert_eq!(Failure::of(C::UnsupportedFeature), Failure::NotKnown);
    }
}
