//! Blocks of a text: which of 64 bytes can end a string or break it, found at once.

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// What is known of a block.
#[derive(Debug)]
pub(super) struct Block {
    /// The place of its first byte.
    pub(super) start: usize,
    /// A bit for each byte that is a quote, a backslash or a control, the first lowest.
    pub(super) special: u64,
    /// Whether a byte is not ASCII.
    pub(super) beyond_ascii: bool,
}

impl Block {
    /// The block in which `at` is to be searched. It begins at `at`, or earlier where the text ends sooner; a text shorter than a
    /// block is followed by zeros, which are special.
    #[inline(always)]
    pub(super) fn of(bytes: &[u8], at: usize) -> Self {
        let mut padded = [0; BLOCK];
        let (start, block) = if let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            (at, block)
        } else if let Some(block) = bytes.last_chunk() {
            (bytes.len() - BLOCK, block)
        } else {
            padded[..bytes.len()].copy_from_slice(bytes);
            (0, &padded)
        };
        let (special, beyond_ascii) = special_bits(block);
        Self { start, special, beyond_ascii }
    }
}

/// The special bytes of a block, and whether one is not ASCII.
///
/// Written so that the compiler makes vector instructions of it: one bit per byte, then the sum over each eight of them (on x86-64
/// `psadbw`), about 95 instructions a block without any `unsafe`. Tried and lost: eight bytes at a time in a word, string by string.
#[inline(never)]
fn special_bits(block: &[u8; BLOCK]) -> (u64, bool) {
    let bits: [u8; BLOCK] = std::array::from_fn(|at| {
        let byte = block[at];
        if (byte == b'"') | (byte == b'\\') | (byte < 0x20) { 1 << (at % 8) } else { 0 }
    });
    let mut sums = [0; BLOCK / 8];
    for (sum, bits) in sums.iter_mut().zip(bits.chunks_exact(8)) {
        *sum = bits.iter().fold(0, |sum: u8, &bit| sum.wrapping_add(bit));
    }
    (u64::from_le_bytes(sums), block.iter().fold(0, |or, &byte| or | byte) >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_told_apart() {
        for byte in 0..=255u8 {
            for neighbour in [b'a', 0x7f, 0x80, 0xff, 0x21, 0x23, 0x5d] {
                for place in 0..BLOCK {
                    let mut bytes = [neighbour; BLOCK];
                    bytes[place] = byte;
                    let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    let beyond_ascii = byte >= 0x80 || neighbour >= 0x80;
                    assert_eq!(
                        special_bits(&bytes),
                        (u64::from(special) << place, beyond_ascii),
                        "{byte} {neighbour} {place}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_block_holds_the_place_that_is_searched() {
        for length in 0..200 {
            let bytes = vec![b'x'; length];
            for at in 0..length {
                let Block { start, special, .. } = Block::of(&bytes, at);
                assert!((start..start + BLOCK).contains(&at), "{length} {at}");
                assert_eq!(special, if length < BLOCK { u64::MAX << length } else { 0 }, "{length} {at}");
            }
        }
    }
}
