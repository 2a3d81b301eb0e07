//! A line on its way through gossip.
//!
//! ```text
//!   | mark of the process, 8 random bytes | number, u64 LE | the line without its newline … |
//! ```
//!
//! To gossip a message is its content, so a line said twice would be heard once. Mark and number
//! make every line a message of its own.

use std::io::{self, BufRead, Read as _};

use bytes::{Bytes, BytesMut};

/// Bytes before the line.
const HEAD_BYTES: usize = 16;

/// Bytes of the longest line.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// Makes messages of lines.
pub(super) struct LineSealer {
    mark: [u8; 8],
    next: u64,
}

impl LineSealer {
    /// A sealer whose lines differ from those of any other `mark`.
    pub(super) fn new(mark: [u8; 8]) -> Self {
        LineSealer { mark, next: 0 }
    }

    /// The message that carries `line`.
    pub(super) fn seal(&mut self, line: &[u8]) -> Bytes {
        let mut message = BytesMut::with_capacity(HEAD_BYTES + line.len());
        message.extend_from_slice(&self.mark);
        message.extend_from_slice(&self.next.to_le_bytes());
        message.extend_from_slice(line);
        self.next += 1;
        message.freeze()
    }
}

/// The line in a message; none if the message is no line of this program.
pub(super) fn open(message: &[u8]) -> Option<&[u8]> {
    message.get(HEAD_BYTES..)
}

/// Reads a line into `line`, without what ends it. False at the end of the input.
///
/// # Errors
/// What the input says, and `InvalidData` for a line over [`LINE_BYTES_MAX`].
pub(super) fn read(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    // One byte for the newline, and one that tells a line that is too long.
    input
        .take(LINE_BYTES_MAX as u64 + 2)
        .read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.len() > LINE_BYTES_MAX {
        let rule = format!("a line is longer than {LINE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, rule));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_said_twice_is_two_messages() {
        let mut sealer = LineSealer::new([7; 8]);
        let (first, second) = (sealer.seal(b"hello"), sealer.seal(b"hello"));
        assert_ne!(first, second);
        assert_eq!(open(&first), Some(&b"hello"[..]));
        assert_eq!(open(&second), Some(&b"hello"[..]));
        assert_ne!(first, LineSealer::new([8; 8]).seal(b"hello"));
    }

    #[test]
    fn a_message_too_short_for_a_head_is_no_line() {
        assert_eq!(open(&[0; HEAD_BYTES]), Some(&b""[..]));
        assert_eq!(open(&[0; HEAD_BYTES - 1]), None);
    }

    #[test]
    fn lines_are_read_with_and_without_a_last_newline() {
        let (mut input, mut line, mut lines) = (&b"one\n\ntwo"[..], Vec::new(), Vec::new());
        while read(&mut input, &mut line).expect("a sound input") {
            lines.push(line.clone());
        }
        assert_eq!(lines, [&b"one"[..], b"", b"two"]);
    }

    #[test]
    fn a_line_up_to_the_limit_passes_and_one_byte_more_does_not() {
        for (len, end, passes) in [
            (LINE_BYTES_MAX, "\n", true),
            (LINE_BYTES_MAX, "", true),
            (LINE_BYTES_MAX + 1, "\n", false),
            (LINE_BYTES_MAX + 1, "", false),
        ] {
            let text = "x".repeat(len) + end;
            let outcome = read(&mut text.as_bytes(), &mut Vec::new());
            assert_eq!(outcome.is_ok(), passes, "{len} bytes before {end:?}");
        }
    }
}
