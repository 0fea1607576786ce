//! From an offset in a text to line and column, in time that does not grow with the text.
//!
//! Knows no format. A minified JSON file is one line of many megabytes, so neither the line nor the column is counted
//! from its beginning.

use std::cell::Cell;

use crate::problem::{FileName, Place};

/// After how many octets the count of characters is written down.
const STRIDE: usize = 1024;
/// So many lines after the last one are looked at one by one.
const NEAR: usize = 8;

/// A text with the places of its line breaks.
pub(super) struct Lines<'t> {
    file: FileName,
    text: &'t str,
    /// Offset of the first octet of each line.
    starts: Vec<u32>,
    /// The line that was asked for last, counted from 0: most places are asked for in the order of the text.
    last: Cell<usize>,
    /// How many octets before each multiple of `STRIDE` continue a character; empty where all text is ASCII.
    continued: Vec<u32>,
}

impl<'t> Lines<'t> {
    /// The places of `text`, which is called `file`; texts are limited to far less than 4 GiB (`MAX_FILE_BYTES`).
    pub(super) fn new(file: FileName, text: &'t str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at as u32 + 1);
        let starts = std::iter::once(0).chain(breaks).collect();
        let mut continued = vec![];
        if !text.is_ascii() {
            let mut count = 0;
            for chunk in text.as_bytes().chunks(STRIDE) {
                continued.push(count);
                count += continuations(chunk);
            }
            continued.push(count);
        }
        Self { file, text, starts, last: Cell::new(0), continued }
    }

    /// The place of the character at `offset`.
    pub(super) fn place(&self, offset: u32) -> Place {
        let line = self.line(offset);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let octets = offset - start;
        let column = 1 + octets.saturating_sub(self.continued_before(offset) - self.continued_before(start));
        Place { file: self.file.clone(), line: line as u32 + 1, column }
    }

    /// In which line, counted from 0, `offset` is.
    fn line(&self, offset: u32) -> usize {
        let ahead = self.starts.get(self.last.get()..).unwrap_or_default();
        let near = match ahead.first() {
            Some(start) if *start <= offset => ahead.iter().take(NEAR).position(|start| *start > offset),
            _ => None,
        };
        let behind = near.map(|lines| self.last.get() + lines);
        let line = behind.unwrap_or_else(|| self.starts.partition_point(|start| *start <= offset)).saturating_sub(1);
        self.last.set(line);
        line
    }

    /// The file as a whole.
    pub(super) fn whole(&self) -> Place {
        Place::whole(self.file.clone())
    }

    /// How many octets before `offset` continue a character.
    fn continued_before(&self, offset: u32) -> u32 {
        let offset = (offset as usize).min(self.text.len());
        let Some(count) = self.continued.get(offset / STRIDE) else { return 0 };
        let rest = self.text.as_bytes().get(offset / STRIDE * STRIDE..offset).unwrap_or_default();
        count + continuations(rest)
    }
}

/// How many of `octets` are `10xxxxxx`, the second or later octet of a character (RFC 3629 3).
fn continuations(octets: &[u8]) -> u32 {
    octets.iter().map(|octet| u32::from(octet & 0xc0 == 0x80)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, offset: usize) -> (u32, u32) {
        let place = Lines::new("x".into(), text).place(offset as u32);
        (place.line, place.column)
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        assert_eq!(at("", 0), (1, 1));
        assert_eq!(at("ab\ncd\n", 0), (1, 1));
        assert_eq!(at("ab\ncd\n", 2), (1, 3));
        assert_eq!(at("ab\ncd\n", 3), (2, 1));
        assert_eq!(at("ab\ncd\n", 6), (3, 1));
        assert_eq!(at("ab\r\ncd", 5), (2, 2));
    }

    /// Forwards by little and by much, and backwards.
    #[test]
    fn the_place_asked_for_before_does_not_matter() {
        let text: String = (0..60).map(|n| "x".repeat(n % 7) + "\n").collect();
        let lines = Lines::new("x".into(), &text);
        let offsets = (0..text.len()).flat_map(|offset| [offset, 7 * offset % text.len(), text.len() - offset]);
        for offset in offsets {
            let place = lines.place(offset as u32);
            assert_eq!((place.line, place.column), at(&text, offset), "{offset}");
        }
    }

    #[test]
    fn columns_are_characters() {
        assert_eq!(at("é = 'ü' x", "é = 'ü' ".len()), (1, 9));
        let long = format!("\n{}x", "ü".repeat(5000));
        assert_eq!(at(&long, long.len() - 1), (2, 5001));
    }
}
