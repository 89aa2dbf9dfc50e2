//! How large a record is on the wire, to the byte: whether it fits its topic is decided before it is sent.
//!
//! A broker holds `max.message.bytes` against a whole record batch. The smallest batch that can carry a record is one with this record
//! alone, in the format of Kafka's record batch, version 2: a header of 61 bytes, then the record with its lengths as
//! zigzag varints.

use crate::kafka::HeadersRef;

/// Header of a record batch, version 2.
const BATCH_HEADER_BYTES: usize = 61;

/// Attributes, and time stamp and offset deltas, which are zero in a batch of one: one byte each.
const RECORD_FIXED_BYTES: usize = 3;

/// The size of a batch that carries this record alone, uncompressed.
pub(super) fn batch_of_one(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: Option<HeadersRef<'_>>,
) -> usize {
    let (mut count, mut header_bytes) = (0, 0);
    for (name, value) in headers.into_iter().flat_map(HeadersRef::iter) {
        count += 1;
        header_bytes += counted(Some(name)) + counted(value);
    }
    let body = RECORD_FIXED_BYTES + counted(key) + counted(value) + varint(count) + header_bytes;
    BATCH_HEADER_BYTES + varint(body as i64) + body
}

/// Bytes with their length before them; nothing is the length -1.
fn counted(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(varint(-1), |bytes| varint(bytes.len() as i64) + bytes.len())
}

/// The length of a zigzag varint.
fn varint(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - zigzag.leading_zeros()).div_ceil(7).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Headers;

    #[test]
    fn varints_have_the_lengths_of_the_protocol() {
        for (value, length) in
            [(0, 1), (-1, 1), (63, 1), (64, 2), (-64, 1), (-65, 2), (8191, 2), (8192, 3), (1 << 20, 4)]
        {
            assert_eq!(varint(value), length, "{value}");
        }
    }

    #[test]
    fn a_record_is_its_parts_and_their_lengths() {
        // attributes, two deltas, key length -1, value length -1, no headers: 6 bytes, and the length of those.
        assert_eq!(batch_of_one(None, None, None), 61 + 1 + 6);
        assert_eq!(batch_of_one(Some(b"key"), Some(&[0; 100]), None), 61 + 2 + 3 + (1 + 3) + (2 + 100) + 1);
        let mut headers = Headers::with_capacity(1);
        headers.add_text("a", "bc");
        assert_eq!(
            batch_of_one(None, Some(b""), Some(headers.as_ref())),
            61 + 1 + 3 + 1 + 1 + 1 + (1 + 1) + (1 + 2)
        );
    }
}
