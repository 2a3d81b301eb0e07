//! Where the content of the messages comes from: a stream cut in chunks or lines, or made up.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;

use bytes::Bytes;

use super::stamp::STAMP_BYTES;

/// Bytes of content of the largest message: 128 MiB with what stands before it.
pub(super) const CONTENT_BYTES_MAX: usize = (128 << 20) - STAMP_BYTES;

/// Bytes of the longest line.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The contents of a run, one after the other.
pub(super) enum Source {
    /// Every message has so many bytes, but for the last one.
    Chunks {
        /// What is cut.
        input: Box<dyn BufRead + Send>,
        /// Bytes of a message.
        chunk_bytes: usize,
    },
    /// Every message is a line with the newline that ends it.
    Lines {
        /// What is cut.
        input: Box<dyn BufRead + Send>,
    },
    /// Messages that differ from each other and are the same in every run.
    Made {
        /// Number of the next one.
        next: u64,
        /// How many there are.
        messages: u64,
        /// Bytes of each.
        size: usize,
    },
}

impl Source {
    /// The next content; none at the end. Waits for the stream if it must.
    ///
    /// # Errors
    /// What the stream says, and `InvalidData` for a line over 1 MiB.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Source::Chunks { input, chunk_bytes } => read_chunk(input, *chunk_bytes),
            Source::Lines { input } => read_line(input),
            Source::Made {
                next,
                messages,
                size,
            } => {
                if *next == *messages {
                    return Ok(None);
                }
                *next += 1;
                Ok(Some(make(*next, *size)))
            }
        }
    }
}

/// A pipe or a device, opened by whoever reads it: to open a pipe waits for its writer, and the
/// program must not.
pub(super) struct Stream {
    path: PathBuf,
    opened: Option<File>,
}

impl Stream {
    /// A stream that is not open yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Stream { path, opened: None }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = match &mut self.opened {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        file.read(buffer)
    }
}

fn read_chunk(input: &mut dyn BufRead, chunk_bytes: usize) -> io::Result<Option<Bytes>> {
    let mut chunk = Vec::with_capacity(chunk_bytes);
    input.take(chunk_bytes as u64).read_to_end(&mut chunk)?;
    Ok(Some(chunk)
        .filter(|chunk| !chunk.is_empty())
        .map(Bytes::from))
}

fn read_line(input: &mut dyn BufRead) -> io::Result<Option<Bytes>> {
    let mut line = Vec::new();
    input
        .take(LINE_BYTES_MAX as u64 + 1)
        .read_until(b'\n', &mut line)?;
    if line.len() > LINE_BYTES_MAX {
        let rule = format!("a line is longer than {LINE_BYTES_MAX} bytes; leave --lines out");
        return Err(io::Error::new(io::ErrorKind::InvalidData, rule));
    }
    Ok(Some(line).filter(|line| !line.is_empty()).map(Bytes::from))
}

/// Bytes that nobody can compress or guess from another message: the stream of a hash.
fn make(number: u64, size: usize) -> Bytes {
    let mut content = vec![0; size];
    blake3::Hasher::new()
        .update(&number.to_le_bytes())
        .finalize_xof()
        .fill(&mut content);
    Bytes::from(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut source: Source) -> Vec<Bytes> {
        let mut contents = Vec::new();
        while let Some(content) = source.next().expect("a sound stream") {
            contents.push(content);
        }
        contents
    }

    fn chunks(input: &'static [u8], chunk_bytes: usize) -> Vec<Bytes> {
        all(Source::Chunks {
            input: Box::new(input),
            chunk_bytes,
        })
    }

    #[test]
    fn chunks_are_whole_but_for_the_last_one() {
        assert_eq!(chunks(b"abcdef", 3), ["abc", "def"]);
        assert_eq!(chunks(b"abcdefg", 3), ["abc", "def", "g"]);
        assert!(chunks(b"", 3).is_empty());
    }

    #[test]
    fn lines_keep_their_newline_so_that_the_input_can_be_rebuilt() {
        let lines = all(Source::Lines {
            input: Box::new(&b"one\n\ntwo"[..]),
        });
        assert_eq!(lines, ["one\n", "\n", "two"]);
    }

    #[test]
    fn a_line_up_to_the_limit_passes_and_one_byte_more_does_not() {
        for (len, passes) in [(LINE_BYTES_MAX, true), (LINE_BYTES_MAX + 1, false)] {
            let input = Box::new(io::Cursor::new(vec![b'x'; len]));
            assert_eq!(Source::Lines { input }.next().is_ok(), passes, "{len}");
        }
    }

    #[test]
    fn made_messages_differ_and_are_the_same_in_every_run() {
        let made = || {
            all(Source::Made {
                next: 0,
                messages: 3,
                size: 100,
            })
        };
        assert_eq!(made(), made());
        assert_eq!(made().len(), 3);
        assert_ne!(made()[0], made()[1]);
        assert!(made().iter().all(|content| content.len() == 100));
    }
}
