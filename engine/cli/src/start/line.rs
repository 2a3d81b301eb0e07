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

/// What a read of a line found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A line, now in the buffer, without what ends it.
    Line,
    /// A line that is too long, which was skipped.
    TooLong,
    /// The end of the input.
    End,
}

/// Reads a line of at most `bytes_max` into `line`.
///
/// # Errors
/// What the input says.
pub(super) fn read(
    input: &mut dyn BufRead,
    line: &mut Vec<u8>,
    bytes_max: usize,
) -> io::Result<Read> {
    line.clear();
    // One byte for the newline, and one that tells a line that is too long.
    let read = (&mut *input)
        .take(bytes_max as u64 + 2)
        .read_until(b'\n', line)?;
    if read == 0 {
        return Ok(Read::End);
    }
    let is_whole = line.last() == Some(&b'\n');
    if is_whole {
        line.pop();
    }
    if line.len() <= bytes_max {
        return Ok(Read::Line);
    }
    line.clear();
    if !is_whole {
        skip_to_newline(input)?;
    }
    Ok(Read::TooLong)
}

/// Reads on to behind the next newline, or to the end, and keeps nothing.
fn skip_to_newline(input: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            return Ok(());
        }
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let skipped = newline.map_or(chunk.len(), |at| at + 1);
        input.consume(skipped);
        if newline.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE_BYTES_MAX: usize = 1000;

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
        while read(&mut input, &mut line, LINE_BYTES_MAX).expect("a sound input") == Read::Line {
            lines.push(line.clone());
        }
        assert_eq!(lines, [&b"one"[..], b"", b"two"]);
    }

    #[test]
    fn a_line_up_to_the_limit_passes_and_one_byte_more_is_skipped_with_the_rest_of_it() {
        for (len, found) in [
            (LINE_BYTES_MAX, Read::Line),
            (LINE_BYTES_MAX + 1, Read::TooLong),
            (LINE_BYTES_MAX + 2, Read::TooLong),
            (3 * LINE_BYTES_MAX, Read::TooLong),
        ] {
            let (text, mut line) = ("x".repeat(len), Vec::new());
            let ended = text.clone() + "\nnext";
            let mut input = ended.as_bytes();
            assert_eq!(
                read(&mut input, &mut line, LINE_BYTES_MAX).expect("sound"),
                found,
                "{len}"
            );
            assert_eq!(line.len(), if found == Read::Line { len } else { 0 });
            assert_eq!(
                read(&mut input, &mut line, LINE_BYTES_MAX).expect("sound"),
                Read::Line
            );
            assert_eq!(line, b"next");
            let mut input = text.as_bytes();
            assert_eq!(
                read(&mut input, &mut line, LINE_BYTES_MAX).expect("sound"),
                found,
                "{len}"
            );
            assert_eq!(
                read(&mut input, &mut line, LINE_BYTES_MAX).expect("sound"),
                Read::End
            );
        }
    }
}
