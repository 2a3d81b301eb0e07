//! The lines of others on standard output, so that they can do no harm there.
//!
//! What comes was written by strangers. Two things are kept from them:
//!
//! ```text
//!   a line of their own making    a newline within a message is written as \n: one message, one line
//!   the reader's terminal         on a terminal every control character is written as \x1b, \u{202e}
//! ```
//!
//! Nothing else is changed; into a pipe or a file go the bytes of a line as they came. With `--raw`
//! nothing is changed at all.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use super::line;
use crate::console;
use crate::failure::Failure;
use crate::node::Subscription;

/// What is changed in a line before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// What could move a cursor, change a colour or break a line, as escapes.
    Terminal,
    /// Newlines, as escapes.
    Lines,
    /// Nothing.
    Raw,
}

impl Style {
    /// The style of this process's standard output.
    pub(super) fn of_stdout(raw: bool) -> Style {
        match raw {
            true => Style::Raw,
            false if io::stdout().is_terminal() => Style::Terminal,
            false => Style::Lines,
        }
    }
}

/// Prints line after line until the node ends. Lines that come at once are written at once.
pub(super) fn write_lines(mut subscription: Subscription, style: Style) -> Result<(), Failure> {
    let mut output = BufWriter::new(io::stdout());
    while let Some(message) = subscription.next() {
        let mut waiting = Some(message);
        while let Some(message) = waiting {
            if let Some(line) = line::open(&message) {
                write_line(&mut output, line, style).map_err(console::stdout_failure)?;
            }
            waiting = subscription.try_next();
        }
        output.flush().map_err(console::stdout_failure)?;
    }
    Ok(())
}

fn write_line(output: &mut dyn Write, line: &[u8], style: Style) -> io::Result<()> {
    match style {
        Style::Raw => output.write_all(line)?,
        Style::Lines => write_on_one_line(output, line)?,
        Style::Terminal => write_visibly(output, line)?,
    }
    output.write_all(b"\n")
}

fn write_on_one_line(output: &mut dyn Write, line: &[u8]) -> io::Result<()> {
    for (index, part) in line.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            output.write_all(b"\\n")?;
        }
        output.write_all(part)?;
    }
    Ok(())
}

/// Writes text as it is but for what a terminal would obey; bytes that are no UTF-8 as `\xNN`.
fn write_visibly(output: &mut dyn Write, line: &[u8]) -> io::Result<()> {
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => write!(output, "\t")?,
                '\n' => write!(output, "\\n")?,
                '\r' => write!(output, "\\r")?,
                '\0'..='\x7f' if character.is_control() => {
                    write!(output, "\\x{:02x}", u32::from(character))?;
                }
                _ if is_obeyed(character) => {
                    write!(output, "\\u{{{:x}}}", u32::from(character))?;
                }
                _ => write!(output, "{character}")?,
            }
        }
        for byte in chunk.invalid() {
            write!(output, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// Whether a terminal would obey the character instead of showing it: control characters of ISO
/// 8859, line and paragraph separators, and what turns the direction of writing (Unicode UAX 9).
fn is_obeyed(character: char) -> bool {
    let turns = matches!(character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &[u8], style: Style) -> Vec<u8> {
        let mut output = Vec::new();
        write_line(&mut output, line, style).expect("memory takes all");
        output
    }

    #[test]
    fn plain_lines_are_written_as_they_are() {
        for style in [Style::Terminal, Style::Lines, Style::Raw] {
            for line in ["", "hello", "a\tb", "C:\\new", "Gr\u{fc}\u{df}e, \u{1f980}"] {
                assert_eq!(
                    written(line.as_bytes(), style),
                    format!("{line}\n").as_bytes()
                );
            }
        }
    }

    #[test]
    fn a_message_is_one_line_whatever_stands_in_it() {
        let forged = b"hello\nbank: pay now\n";
        for style in [Style::Terminal, Style::Lines] {
            assert_eq!(written(forged, style), b"hello\\nbank: pay now\\n\n");
        }
        assert_eq!(written(forged, Style::Raw), b"hello\nbank: pay now\n\n");
    }

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        let line = "\x1b[2J\x07\r\u{9b}31m\u{202e}txt\u{2028}\x7f\0";
        let shown = String::from_utf8(written(line.as_bytes(), Style::Terminal)).expect("text");
        assert_eq!(
            shown,
            "\\x1b[2J\\x07\\r\\u{9b}31m\\u{202e}txt\\u{2028}\\x7f\\x00\n"
        );
        assert_eq!(written(b"\x9b31m\xff", Style::Terminal), b"\\x9b31m\\xff\n");
    }

    #[test]
    fn a_pipe_gets_the_bytes_as_they_came() {
        let line = b"\x1b[31m\r\xff\0";
        assert_eq!(written(line, Style::Lines), [&line[..], b"\n"].concat());
    }
}
