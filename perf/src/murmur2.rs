//! Which partition a key belongs to, as the Java client's default partitioner has it (`Utils.murmur2`, Kafka's clients).

/// The partition of `key` among `partitions`.
pub(crate) fn partition(key: &[u8], partitions: i32) -> i32 {
    // `Utils.toPositive`: the sign bit is dropped.
    let hash = i32::try_from(murmur2(key) & 0x7FFF_FFFF).expect("31 bits");
    hash % partitions
}

fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5BD1_E995;
    let length = u32::try_from(data.len()).expect("keys are shorter than 4 GiB");
    let mut hash = 0x9747_B28C_u32 ^ length;
    let (words, rest) = data.split_at(data.len() & !3);
    for word in words.chunks_exact(4) {
        let mut k = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    #[test]
    fn agrees_with_kafkas_own_test_vectors() {
        // org.apache.kafka.common.utils.UtilsTest.testMurmur2
        let vectors: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, hash) in vectors {
            assert_eq!(super::murmur2(key), hash.cast_unsigned(), "{}", String::from_utf8_lossy(key));
        }
    }
}
