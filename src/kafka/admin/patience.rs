//! Questions that are asked again while the cluster settles: a topic that was made a moment ago, or a broker that has just started,
//! has partitions without a leader, and a group that was never used has no coordinator, or one that still reads its log.

use super::{Admin, STEP};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::time::{Duration, Instant};

impl Admin {
    /// Asks until there is an answer, `timeout` at most. The question is told how long it may take.
    ///
    /// # Errors
    /// The last one; an error that time does not mend at once.
    pub(super) fn ask<T>(
        &self,
        timeout: Duration,
        question: impl Fn(Duration) -> Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match question(left.max(STEP)) {
                Err(error) if error.rdkafka_error_code().is_some_and(is_settling) && !left.is_zero() => {
                    tracing::debug!(%error, "asked again");
                    // Serves the client meanwhile; it is subscribed to nothing.
                    drop(self.client.poll(STEP));
                }
                answer => return answer,
            }
        }
    }
}

/// Whether the error passes as soon as the partition has its leader, or the group its coordinator.
pub(super) fn is_settling(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::OffsetNotAvailable
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::NotCoordinator
            // A transaction that commits this group's offsets is open, or its markers are not written yet.
            | RDKafkaErrorCode::UnstableOffsetCommit
    )
}
