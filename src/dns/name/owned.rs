//! A name that is kept.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::wire::{MAX_LABEL_LEN, MAX_NAME_LEN, is_at_or_below, labels, write_name};

/// A domain name, always absolute, always lower case; cheap to clone.
///
/// Names compare without regard to case (RFC 4343), so they are lowered once, when they are made.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(Arc<[u8]>);

/// A table of names can be asked with wire octets in lower case: they hash and compare as the name does.
impl Borrow<[u8]> for DnsName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Why a text is not a domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all where a name was expected.
    #[error("the name is empty")]
    Empty,
    /// Two dots in a row, or one in front.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// A label over 63 octets.
    #[error("a label is longer than 63 octets")]
    LongLabel,
    /// The whole over 255 octets.
    #[error("the name is longer than 255 octets")]
    LongName,
    /// A character that no host name or wildcard has.
    #[error("the character {0:?} cannot stand in a name")]
    Character(char),
    /// A backslash that escapes nothing.
    #[error("a backslash is followed by three digits, such as \\046, or by one character")]
    Escape,
}

impl DnsName {
    /// The root, `.`.
    pub fn root() -> Self {
        Self(Arc::from([0u8].as_slice()))
    }

    /// A name from lower-case wire octets that are known to be well formed.
    ///
    /// Returns `None` when they are not: a label runs over the end, or the root is missing.
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        let mut at = 0;
        loop {
            let len = usize::from(*wire.get(at)?);
            if len > MAX_LABEL_LEN {
                return None;
            }
            at += 1 + len;
            if len == 0 {
                break;
            }
        }
        (at == wire.len() && at <= MAX_NAME_LEN).then(|| Self(wire.to_ascii_lowercase().into()))
    }

    /// The wire form: length-prefixed labels and the root.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// How many labels the name has; the root has none.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The labels from left to right, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        labels(&self.0)
    }

    /// True for a name whose first label is `*` (RFC 4592 2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// The `x` of a name `*.x`; `None` for other names.
    pub fn wildcard_apex(&self) -> Option<Self> {
        self.is_wildcard().then(|| self.parent()).flatten()
    }

    /// A name that only the wildcard covers: `label.x` of a name `*.x`, and other names as they are.
    #[must_use]
    pub fn with_label_for_wildcard(&self, label: &str) -> Self {
        self.wildcard_apex().and_then(|apex| apex.prepend(label).ok()).unwrap_or_else(|| self.clone())
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let first = usize::from(*self.0.first()?);
        (first > 0).then(|| Self(self.0.get(1 + first..).unwrap_or(&[0]).into()))
    }

    /// True when `self` is `ancestor` or below it.
    pub fn is_at_or_below(&self, ancestor: &Self) -> bool {
        is_at_or_below(&self.0, &ancestor.0)
    }

    /// `label.self`, when that is still a name.
    pub fn prepend(&self, label: &str) -> Result<Self, NameError> {
        if self.0.len() == 1 { label.parse() } else { format!("{label}.{self}").parse() }
    }
}

impl FromStr for DnsName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "." {
            return Ok(Self::root());
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            if label.is_empty() {
                return Err(NameError::EmptyLabel);
            }
            if label.len() > MAX_LABEL_LEN {
                return Err(NameError::LongLabel);
            }
            if let Some(bad) = label.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_*/".contains(*c))) {
                return Err(NameError::Character(bad));
            }
            wire.push(label.len() as u8);
            wire.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
        }
        wire.push(0);
        if wire.len() > MAX_NAME_LEN { Err(NameError::LongName) } else { Ok(Self(wire.into())) }
    }
}

/// Without a final dot, as AWS prints names; octets that are not printable as `\DDD` (RFC 1035 5.1).
impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.0)
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        text.parse().unwrap()
    }

    #[test]
    fn text_and_wire_agree() {
        assert_eq!(name("EC2.example.").wire(), b"\x03ec2\x07example\x00");
        assert_eq!(name("EC2.example.").to_string(), "ec2.example");
        assert_eq!(DnsName::root().to_string(), ".");
        assert_eq!(DnsName::from_wire(b"\x03a.b\x00").unwrap().to_string(), "a\\.b");
        assert_eq!(DnsName::from_wire(b"\x02\x07\xff\x00").unwrap().to_string(), "\\007\\255");
    }

    #[test]
    fn bad_texts_are_named() {
        for (text, want) in [
            ("", NameError::Empty),
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a b", NameError::Character(' ')),
            ("é.example", NameError::Character('é')),
            (&"a".repeat(64), NameError::LongLabel),
            (&[&*"a".repeat(63); 4].join("."), NameError::LongName),
        ] {
            assert_eq!(text.parse::<DnsName>(), Err(want), "{text:?}");
        }
        assert!(
            [&"a".repeat(63)[..], &"b".repeat(63), &"c".repeat(63), &"d".repeat(61)]
                .join(".")
                .parse::<DnsName>()
                .is_ok()
        );
    }

    #[test]
    fn malformed_wire_is_refused() {
        for wire in [&b""[..], b"\x01", b"\x01a", b"\x40a\x00", b"\x00\x00", b"\xc0\x0c"] {
            assert_eq!(DnsName::from_wire(wire), None, "{wire:?}");
        }
    }

    #[test]
    fn ancestry_respects_label_borders() {
        assert!(name("a.example").is_at_or_below(&name("example")));
        assert!(name("example").is_at_or_below(&name("example")));
        assert!(name("example").is_at_or_below(&DnsName::root()));
        assert!(!name("anexample").is_at_or_below(&name("example")));
        assert!(!name("example").is_at_or_below(&name("a.example")));
        // the octet 0x07 inside a label must not pass for a length
        assert!(!DnsName::from_wire(b"\x09x\x07example\x00").unwrap().is_at_or_below(&name("example")));
        assert_eq!(name("a.b").parent(), Some(name("b")));
        assert_eq!(DnsName::root().parent(), None);
    }
}
