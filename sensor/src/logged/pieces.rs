//! A log cut into pieces: whole lines, whose form is known, so that many can be read at once.

use std::io::{self, Read};
use std::sync::Arc;

use super::form::{Form, FormError};

/// Bytes of the longest row.
pub(super) const MAX_ROW: usize = 1 << 20;
/// Bytes of a piece, about.
const PIECE: u64 = 1 << 18;

/// Rows of a log that follow each other.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) form: Arc<Form>,
    /// The number of its first line.
    pub(super) line: u64,
    text: Vec<u8>,
}

impl Piece {
    /// Its lines with their numbers, those with nothing in them left out.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut rest = self.text.as_slice();
        let lines = std::iter::from_fn(move || {
            let (line, len) = first_line(rest)?;
            rest = rest.get(len..)?;
            Some(line)
        });
        (self.line..)
            .zip(lines)
            .filter(|(_, line)| !line.is_empty())
    }
}

/// Why there is no next piece.
#[derive(Debug)]
pub(super) enum Stop {
    /// Reading failed after so many lines.
    Read { line: u64, source: io::Error },
    /// This line says that the rows cannot be told.
    Form { line: u64, source: FormError },
}

/// A log while it is cut.
pub(super) struct Pieces<R> {
    reader: R,
    form: Arc<Form>,
    /// Lines handed out.
    line: u64,
    /// Whole lines that were read, and how much of them was handed out.
    lines: Vec<u8>,
    done: usize,
    /// What was read behind them.
    rest: Vec<u8>,
    failed: Option<io::Error>,
}

impl<R: Read> Pieces<R> {
    pub(super) fn new(reader: R, form: Form) -> Self {
        Self {
            reader,
            form: Arc::new(form),
            line: 0,
            lines: Vec::new(),
            done: 0,
            rest: Vec::new(),
            failed: None,
        }
    }

    /// The next piece; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, Stop> {
        while self.done < self.lines.len() || self.fill()? {
            let ahead = self.lines.get(self.done..).unwrap_or_default();
            if ahead.starts_with(b"#") {
                self.header()?;
                continue;
            }
            let text = match memchr::memmem::find(ahead, b"\n#") {
                Some(end) => ahead.get(..=end).unwrap_or_default().to_vec(),
                None if self.done == 0 => std::mem::take(&mut self.lines),
                None => ahead.to_vec(),
            };
            self.done += text.len();
            let mut piece = Piece {
                form: Arc::clone(&self.form),
                line: self.line + 1,
                text,
            };
            self.line += memchr::memchr_iter(b'\n', &piece.text).count() as u64;
            let Some((line, row)) = piece.lines().next() else {
                continue;
            };
            if !self.form.is_known() {
                let begun = Arc::make_mut(&mut self.form).begin(row);
                begun.map_err(|source| Stop::Form { line, source })?;
                piece.form = Arc::clone(&self.form);
            }
            return Ok(Some(piece));
        }
        Ok(None)
    }

    /// Takes the next line, which begins with `#`.
    fn header(&mut self) -> Result<(), Stop> {
        let ahead = self.lines.get(self.done..).unwrap_or_default();
        let Some((line, len)) = first_line(ahead) else {
            return Ok(());
        };
        self.line += 1;
        self.done += len;
        let taken = Arc::make_mut(&mut self.form).header(line);
        taken.map_err(|source| Stop::Form {
            line: self.line,
            source,
        })
    }

    /// Reads on until there is a whole line. Tells whether there is one.
    fn fill(&mut self) -> Result<bool, Stop> {
        (self.lines, self.done) = (Vec::new(), 0);
        while self.lines.is_empty() {
            if let Some(source) = self.failed.take() {
                let line = self.line;
                return Err(Stop::Read { line, source });
            }
            let mut text = std::mem::take(&mut self.rest);
            let before = text.len();
            let ended = !self.read(&mut text);
            if let Some(end) = memchr::memrchr(b'\n', &text) {
                self.rest = text.split_off(end + 1);
                self.lines = text;
            } else if text.len() >= MAX_ROW {
                self.skip(text);
            } else if !ended {
                self.rest = text;
            } else if before == 0 {
                return Ok(false);
            } else {
                // A last line without an end.
                text.push(b'\n');
                self.lines = text;
            }
        }
        Ok(true)
    }

    /// Reads on behind `text`. Tells whether there is more to come, if only why there is not.
    fn read(&mut self, text: &mut Vec<u8>) -> bool {
        let read = (&mut self.reader).take(PIECE).read_to_end(text);
        let more = !matches!(read, Ok(0));
        self.failed = read.err();
        more
    }

    /// Of a line that is too long the beginning is kept, so that it is counted.
    fn skip(&mut self, mut text: Vec<u8>) {
        text.truncate(MAX_ROW);
        text.push(b'\n');
        self.lines = text;
        let mut more = Vec::new();
        while self.failed.is_none() && self.read(&mut more) {
            if let Some(end) = memchr::memchr(b'\n', &more) {
                self.rest = more.split_off(end + 1);
                return;
            }
            more.clear();
        }
    }
}

/// The first line of a text without its end, and how long it is with it.
fn first_line(text: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', text)?;
    let line = text.get(..end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out so many bytes at once, and fails after all of them if it is to.
    struct Drip<'a> {
        text: &'a [u8],
        step: usize,
        fails: bool,
    }

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.text.is_empty() && self.fails {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let len = self.step.min(self.text.len()).min(buffer.len());
            buffer[..len].copy_from_slice(&self.text[..len]);
            self.text = &self.text[len..];
            Ok(len)
        }
    }

    /// The lines of all pieces, and how they stopped.
    fn cut(text: &[u8], step: usize, fails: bool) -> (Vec<(u64, Vec<u8>)>, Option<Stop>) {
        let mut pieces = Pieces::new(Drip { text, step, fails }, Form::new(None));
        let mut lines = Vec::new();
        loop {
            match pieces.next() {
                Ok(Some(piece)) => {
                    lines.extend(piece.lines().map(|(line, row)| (line, row.to_vec())));
                }
                Ok(None) => return (lines, None),
                Err(stop) => return (lines, Some(stop)),
            }
        }
    }

    #[test]
    fn rows_come_with_their_numbers_however_they_are_read() {
        let text = b"{1}\r\n\n{2}\n#close\n#open\n{3}\n\n#\n{4}";
        let want = [(1, "{1}"), (3, "{2}"), (6, "{3}"), (9, "{4}")];
        let want: Vec<_> = want
            .map(|(line, row)| (line, row.as_bytes().to_vec()))
            .into();
        for step in [1, 2, 3, 7, 100] {
            let (lines, stop) = cut(text, step, false);
            assert_eq!(lines, want, "{step}");
            assert!(stop.is_none(), "{stop:?}");
        }
        assert!(cut(b"", 1, false).0.is_empty());
        assert!(cut(b"\n\n#\n", 1, false).0.is_empty());
    }

    #[test]
    fn what_was_read_before_a_failure_counts() {
        let (lines, stop) = cut(b"{1}\n{2}\n{3", 5, true);
        assert_eq!(lines, [(1, b"{1}".to_vec()), (2, b"{2}".to_vec())]);
        assert!(matches!(stop, Some(Stop::Read { line: 2, .. })), "{stop:?}");
    }

    #[test]
    fn of_a_line_that_is_too_long_the_beginning_is_kept() {
        let long = vec![b'{'; 3 * MAX_ROW];
        for rest in ["\n{2}\n", "\n{2}", "", "\n"] {
            let text = [b"{1}\n", &*long, rest.as_bytes()].concat();
            let (lines, stop) = cut(&text, 1 << 16, false);
            let lens: Vec<_> = lines.iter().map(|(line, row)| (*line, row.len())).collect();
            let want = [(1, 3), (2, MAX_ROW), (3, 3)];
            let count = if rest.len() > 1 { 3 } else { 2 };
            assert_eq!(lens, want[..count], "{rest:?}");
            assert!(stop.is_none(), "{stop:?}");
        }
    }

    #[test]
    fn a_line_that_no_form_has_stops_it() {
        let (lines, stop) = cut(b"\nhello\n", 100, false);
        assert!(lines.is_empty());
        assert!(matches!(stop, Some(Stop::Form { line: 2, .. })), "{stop:?}");
        let (lines, stop) = cut(b"{1}\n#fields\tts\n", 100, false);
        assert_eq!(lines.len(), 1);
        assert!(matches!(stop, Some(Stop::Form { line: 2, .. })), "{stop:?}");
    }
}
