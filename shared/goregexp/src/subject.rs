//! The text that is searched, as Go sees it: a byte that belongs to no UTF-8 sequence counts as U+FFFD of width 1.

use std::borrow::Cow;
use std::ops::Range;

/// What stands for an invalid byte.
const STAND_IN: &str = "\u{fffd}";

/// A text with stand-ins for invalid bytes; most texts have none and aren't copied.
pub(crate) struct Subject<'t> {
    text: Cow<'t, str>,
    /// Where the stand-ins begin in `text`.
    stand_ins: Vec<usize>,
}

impl<'t> Subject<'t> {
    pub(crate) fn new(bytes: &'t [u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Self { text: Cow::Borrowed(text), stand_ins: Vec::new() };
        }
        let (mut text, mut stand_ins) = (String::with_capacity(bytes.len() + 16), Vec::new());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            // A cut-off sequence is several bytes in one chunk, and as many errors in Go.
            for _ in chunk.invalid() {
                stand_ins.push(text.len());
                text.push_str(STAND_IN);
            }
        }
        Self { text: Cow::Owned(text), stand_ins }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The place in the bytes that is this place in the text.
    pub(crate) fn span(&self, range: Range<usize>) -> Range<usize> {
        let offset = |at: usize| at - (STAND_IN.len() - 1) * self.stand_ins.partition_point(|&stand_in| stand_in < at);
        offset(range.start)..offset(range.end)
    }
}
