//! The words of a text in presentation format: quoted strings, and what stands between spaces (RFC 1035 5.1).

use std::fmt::Write;

use crate::dns::escaped;

/// A word as it is written, its escapes unresolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// The text, without the quotation marks around it.
    pub text: &'t str,
    /// It stands between quotation marks.
    pub quoted: bool,
    /// Offset of its first character.
    pub at: usize,
}

/// A quotation mark at this offset that no other one on its line closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenQuote(pub usize);

impl<'t> Word<'t> {
    /// The word that begins at offset `at` of `text`, and the offset behind it. It ends before a space and, unless in
    /// quotation marks, before each of `ends`.
    pub fn read(text: &'t str, at: usize, ends: &[u8]) -> Result<(Self, usize), OpenQuote> {
        let octets = text.as_bytes();
        let quoted = octets.get(at) == Some(&b'"');
        let begin = if quoted { at + 1 } else { at };
        let (mut end, mut open) = (begin, quoted.then_some(at));
        loop {
            match octets.get(end) {
                None | Some(b'\n') if open.is_some() => return Err(OpenQuote(open.unwrap_or(at))),
                Some(b'"') if quoted => break,
                // key="value" (RFC 9460 2.1)
                Some(b'"') => open = if open.is_some() { None } else { Some(end) },
                // whatever it is, it is not what it looks like; a line ends all the same
                Some(b'\\') if !matches!(octets.get(end + 1), None | Some(b'\n')) => end += 1,
                Some(octet) if open.is_none() && (octet.is_ascii_whitespace() || ends.contains(octet)) => break,
                None => break,
                Some(_) => {}
            }
            end += 1;
        }
        let word = Word { text: text.get(begin..end).unwrap_or_default(), quoted, at };
        Ok((word, if quoted { end + 1 } else { end }))
    }

    /// The octets that it stands for.
    pub fn octets(&self) -> Result<Vec<u8>, String> {
        octets(self.text)
    }
}

/// The words of one value, such as those of Route 53: no line ends it, and a semicolon is one.
pub(super) fn words(text: &str) -> Result<Vec<Word<'_>>, OpenQuote> {
    let (mut words, mut at) = (Vec::new(), 0);
    while let Some(octet) = text.as_bytes().get(at) {
        if octet.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (word, end) = Word::read(text, at, &[])?;
        words.push(word);
        at = end;
    }
    Ok(words)
}

/// The octets that a text with escapes stands for.
pub(super) fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Err("a quotation mark inside of a word is written \\\"".into()),
            '\\' => octets.push(escaped(&mut chars).ok_or("a backslash takes three digits, such as \\034")?),
            _ => octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(octets)
}

/// Octets between quotation marks.
pub(super) fn put_quoted(octets: &[u8], out: &mut String) {
    out.push('"');
    put_string(octets, out);
    out.push('"');
}

/// Octets as they stand between quotation marks.
pub(super) fn put_string(octets: &[u8], out: &mut String) {
    for octet in octets {
        let _ = match octet {
            b'"' | b'\\' => write!(out, "\\{}", char::from(*octet)),
            b' '..=b'~' => out.write_char(char::from(*octet)),
            _ => write!(out, "\\{octet:03}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_strings() {
        let texts = |text| words(text).map(|words| words.iter().map(|word| word.text).collect::<Vec<_>>());
        assert_eq!(texts(" a\t\"b c\"\"d\" "), Ok(vec!["a", "b c", "d"]));
        assert_eq!(texts("a\\ b \"c\\\"d\" e;f"), Ok(vec!["a\\ b", "c\\\"d", "e;f"]));
        assert_eq!(texts("k=\"a b\" l"), Ok(vec!["k=\"a b\"", "l"]));
        assert_eq!(texts("a \"b"), Err(OpenQuote(2)));
        assert_eq!(texts("k=\"b"), Err(OpenQuote(2)));
        assert_eq!(texts("a\\"), Ok(vec!["a\\"]));
        assert_eq!(texts(""), Ok(vec![]));
    }

    #[test]
    fn escapes_stand_for_octets() {
        assert_eq!(
            octets("a\\228\\\"\\065é").unwrap(),
            "a\u{0}\"Aé"
                .replace('\0', "X")
                .into_bytes()
                .iter()
                .map(|o| if *o == b'X' { 228 } else { *o })
                .collect::<Vec<_>>()
        );
        for bad in ["\\25", "\\256", "a\"b", "\\"] {
            assert!(octets(bad).is_err(), "{bad}");
        }
    }
}
