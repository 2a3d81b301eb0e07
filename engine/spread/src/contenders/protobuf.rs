//! Lengths of protobuf fields, so that messages are as long as they are on the wire.

/// Of a number.
pub(super) fn varint(number: u64) -> u32 {
    (64 - (number | 1).leading_zeros()).div_ceil(7)
}

/// Of a field that holds a number: with its tag, and nothing where the number is 0.
pub(super) fn number(number: u64) -> u32 {
    if number == 0 { 0 } else { 1 + varint(number) }
}

/// Of a field that holds so many bytes: with its tag and its length.
pub(super) fn field(bytes: u32) -> u32 {
    1 + varint(u64::from(bytes)) + bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_bits_fit_into_a_byte() {
        assert_eq!(varint(0), 1);
        assert_eq!(varint(127), 1);
        assert_eq!(varint(128), 2);
        assert_eq!(varint(u64::MAX), 10);
        assert_eq!(number(0), 0, "proto3 leaves zeros out");
        assert_eq!(field(127), 129);
        assert_eq!(field(128), 131);
    }
}
