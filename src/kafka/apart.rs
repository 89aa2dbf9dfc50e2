//! Partitions that are fetched although the queue of records is full.
//!
//! The client's limits on what is fetched ahead count the one queue that all partitions are forwarded to. When it is full, every
//! partition is taken off the list of those to fetch; when there is room again, the list is made anew in the same order, and a response
//! is full after the first few of them. So under a backlog these would be worked off to their ends while the others stand still. A
//! partition that is set apart is not forwarded for a moment: its own queue is empty, so it is fetched, by itself. When something has
//! come it is forwarded again, which puts what came at the end of the queue: the order in a partition stays what it was.
//!
//! (Reading every partition from a queue of its own would be fair too. But then a fetch that waits for new records of partitions at
//! their ends keeps those waiting, again and again, that ran dry meanwhile: a tenth of the throughput was left in such a phase. And what
//! is fetched ahead would grow with the number of partitions.)

use super::consumer::GroupConsumer;
use super::queue::Queue;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The partition of a member that is set apart.
#[derive(Default)]
pub(super) struct SetApart(Mutex<Option<Apart>>);

struct Apart {
    partition: i32,
    queue: Queue,
    since: Instant,
}

/// For so long it is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

impl SetApart {
    pub(super) fn give_up(&self, partitions: &[i32]) {
        self.get().take_if(|apart| partitions.contains(&apart.partition));
    }

    fn get(&self) -> MutexGuard<'_, Option<Apart>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupConsumer {
    /// Has a partition fetched, whatever is fetched ahead of others; none may be set apart yet. It must have records to read now, or
    /// fetching the others waits for it.
    pub fn set_apart(&self, partition: i32) {
        let Some(queue) = self.queue_of(partition) else { return };
        queue.forward(None);
        *self.apart.get() = Some(Apart { partition, queue, since: Instant::now() });
    }

    /// Puts what has come of the partition that is set apart behind the records of the others. `false`: nothing came yet, and it is
    /// waited for.
    pub fn put_back(&self) -> bool {
        let mut apart = self.apart.get();
        if let Some(one) = &*apart {
            if one.queue.len() == 0 && one.since.elapsed() < PATIENCE {
                return false;
            }
            one.queue.forward(Some(&self.queue));
            *apart = None;
        }
        true
    }

    /// How many records have been fetched ahead, but for those of a partition that is set apart.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }
}
