//! Events in memory that can be sent without making them: the same few bytes under ever new numbers.

use crate::error::{Error, Result};
use crate::events::{Shape, device_id_at, write_number};

/// A number of events of one shape, used in turn.
pub struct Pool {
    events: Vec<Event>,
}

struct Event {
    key: Vec<u8>,
    value: Vec<u8>,
    device_id_at: usize,
}

impl Pool {
    /// `count` events of a shape that has keys and no tombstones.
    pub fn new(shape: &Shape, count: u32) -> Result<Pool> {
        let make = |number| {
            let (mut key, mut value) = (Vec::new(), Vec::new());
            shape.value(number, &mut value);
            shape.key(number, &mut key);
            let device_id_at = device_id_at(&value).ok_or_else(|| Error::new("an event has a number"))?;
            Ok(Event { key, value, device_id_at })
        };
        Ok(Pool { events: (0..count.max(1)).map(make).collect::<Result<_>>()? })
    }

    /// Makes each value this many bytes longer, with spaces at its end.
    pub fn pad(&mut self, by: usize) {
        for event in &mut self.events {
            event.value.resize(event.value.len() + by, b' ');
        }
    }

    /// Key and value of the event with this number.
    pub fn event(&mut self, number: u32) -> (&[u8], &[u8]) {
        let count = self.events.len();
        let event = &mut self.events[number as usize % count];
        write_number(&mut event.value, event.device_id_at, number);
        (&event.key, &event.value)
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;
    use crate::events::{Shape, number_in};

    #[test]
    fn each_number_stands_in_its_event_and_the_pool_comes_round() {
        let mut pool = Pool::new(&Shape::default(), 10).unwrap();
        let first = pool.event(3).0.to_vec();
        for number in [0, 3, 9, 10, 123_456_789] {
            assert_eq!(number_in(pool.event(number).1), Some(number));
        }
        assert_eq!(pool.event(13).0, first, "with its key");
    }
}
