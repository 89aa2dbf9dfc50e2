//! Partitions that are fetched although the queue of records is full.
//!
//! The client's limits on what is fetched ahead count the one queue that all partitions are forwarded to. When it is full, every
//! partition is taken off the list of those to fetch; when there is room again, the list is made anew in the same order, and a response
//! is full after the first few of them. So under a backlog these would be worked off to their ends while the others stand still. A
//! partition that is set apart is not forwarded for a moment: its own queue is empty, so it is fetched, by itself. When something has
//! come it is forwarded again, which puts what came at the end of the queue: the order in a partition stays what it was.
//!
//! (Reading every partition from a queue of its own would be fair too. But then a fetch that waits for new records of partitions at
//! their ends, for up to 500 ms, keeps those waiting that ran dry meanwhile: a tenth of the throughput was left in such a phase. And
//! what is fetched ahead would grow with the number of partitions.)

use super::consumer::GroupConsumer;
use super::queue::Queue;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The partitions of a member that are set apart.
#[derive(Default)]
pub(super) struct SetApart(Mutex<Vec<Apart>>);

struct Apart {
    partition: i32,
    queue: Queue,
    since: Instant,
}

/// For so long a partition is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

impl SetApart {
    pub(super) fn give_up(&self, partitions: &[i32]) {
        self.all().retain(|one| !partitions.contains(&one.partition));
    }

    fn all(&self) -> MutexGuard<'_, Vec<Apart>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupConsumer {
    /// Has these partitions fetched, whatever is fetched ahead of others. Each must have records to read now, or fetching the others
    /// waits for it.
    pub fn set_apart(&self, partitions: &[i32]) {
        let mut apart = self.apart.all();
        for &partition in partitions {
            let Some(queue) = self.queue_of(partition) else { continue };
            queue.forward(None);
            apart.push(Apart { partition, queue, since: Instant::now() });
        }
    }

    /// Puts what has come of partitions that are set apart behind the records of the others. Answers how many records that were, and
    /// how many partitions still are set apart: nothing came of them yet, and they are waited for.
    pub fn put_back(&self) -> (usize, usize) {
        let (mut came, mut apart) = (0, self.apart.all());
        apart.retain(|one| {
            let records = one.queue.len();
            if records == 0 && one.since.elapsed() < PATIENCE {
                return true;
            }
            one.queue.forward(Some(&self.queue));
            came += records;
            false
        });
        (came, apart.len())
    }
}
