//! The entries of a master file: lines, but for what stands between parentheses (RFC 1035 5.1).

use crate::model::{OpenQuote, Word};
use crate::problem::Fault;

/// A directive or a record, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ZoneEntry<'t> {
    /// It begins with a space: the owner is that of the record before it.
    pub(super) blank: bool,
    /// At least one.
    pub(super) words: Vec<Word<'t>>,
}

/// What is wrong with the entry at an offset, of which no word is of use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BrokenEntry {
    pub(super) at: usize,
    pub(super) fault: Fault,
}

/// The entries of a text, one after the other; those behind a broken one begin on its next line.
pub(super) struct ZoneEntries<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> ZoneEntries<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn broken(&mut self, at: usize, what: &str, hint: &str) -> BrokenEntry {
        let rest = self.text.get(at..).unwrap_or_default();
        self.at = rest.find('\n').map_or(self.text.len(), |line| at + line + 1);
        BrokenEntry { at, fault: Fault::new(what, hint) }
    }
}

impl<'t> Iterator for ZoneEntries<'t> {
    type Item = Result<ZoneEntry<'t>, BrokenEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let octets = self.text.as_bytes();
        let mut blank = octets.get(self.at).is_some_and(|octet| matches!(octet, b' ' | b'\t'));
        let (mut words, mut open) = (Vec::new(), Vec::new());
        while let Some(octet) = octets.get(self.at) {
            match octet {
                b'\n' if open.is_empty() => {
                    self.at += 1;
                    if !words.is_empty() {
                        return Some(Ok(ZoneEntry { blank, words }));
                    }
                    blank = octets.get(self.at).is_some_and(|octet| matches!(octet, b' ' | b'\t'));
                }
                b';' => {
                    let rest = octets.iter().skip(self.at);
                    self.at += rest.take_while(|octet| **octet != b'\n').count();
                }
                b'(' => {
                    open.push(self.at);
                    self.at += 1;
                }
                b')' => {
                    if open.pop().is_none() {
                        return Some(Err(self.broken(self.at, "a ')' without a '('", "write \\) where it is meant")));
                    }
                    self.at += 1;
                }
                octet if octet.is_ascii_whitespace() => self.at += 1,
                _ => match Word::read(self.text, self.at, b";()") {
                    Ok((word, end)) => {
                        words.push(word);
                        self.at = end;
                    }
                    Err(OpenQuote(at)) => {
                        let hint = "close it on its line; \\010 is a line break, and \\\" a quotation mark";
                        return Some(Err(self.broken(at, "a quotation mark that nothing closes", hint)));
                    }
                },
            }
        }
        if let Some(at) = open.first().copied() {
            let broken = self.broken(at, "a '(' that nothing closes", "add the ')' behind the record's last word");
            self.at = octets.len();
            return Some(Err(broken));
        }
        (!words.is_empty()).then_some(Ok(ZoneEntry { blank, words }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let show = |entry: Result<ZoneEntry<'_>, BrokenEntry>| match entry {
            Ok(ZoneEntry { blank, words }) => {
                let words: Vec<_> = words.iter().map(|word| word.text).collect();
                format!("{}{}", if blank { "_|" } else { "" }, words.join("|"))
            }
            Err(broken) => format!("{}: {}", broken.at, broken.fault.what),
        };
        ZoneEntries::new(text).map(show).collect()
    }

    #[test]
    fn entries_are_lines_but_for_parentheses() {
        assert_eq!(all("a A 1 ; c\n\n \n; x\n  B 2\r\n\tC"), ["a|A|1", "_|B|2", "_|C"]);
        assert_eq!(all("a SOA x ( 1 ; ) one\n 2\n\n3) 4\nb"), ["a|SOA|x|1|2|3|4", "b"]);
        assert_eq!(all("a ( ( b\n) c\n) d"), ["a|b|c|d"]);
        assert_eq!(all("a (b)c"), ["a|b|c"]);
        assert_eq!(all("a \"x ; ( y\" \\; \\(\nb"), ["a|x ; ( y|\\;|\\(", "b"]);
        assert_eq!(all(""), [""; 0]);
        assert_eq!(all(" ( \n ) "), [""; 0]);
    }

    #[test]
    fn a_broken_entry_does_not_spoil_the_next() {
        assert_eq!(all("a )\nb"), ["2: a ')' without a '('", "b"]);
        assert_eq!(all("a \"x\nb"), ["2: a quotation mark that nothing closes", "b"]);
        assert_eq!(all("a (\nb\nc"), ["2: a '(' that nothing closes"]);
    }
}
