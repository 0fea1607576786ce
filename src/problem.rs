//! What is wrong with what an operator wrote, where, and what to do about it.
//!
//! One type for `check`, the log, metrics and readiness. Knows no file system: a place is words.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A file as the user named it, or another source such as `--forward`. All places in a file share one: while files are
/// read, each value has a place, so that it is one pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Arc<Box<str>>);

impl From<&str> for FileName {
    fn from(name: &str) -> Self {
        Self(Arc::new(name.into()))
    }
}

impl From<String> for FileName {
    fn from(name: String) -> Self {
        Self(Arc::new(name.into()))
    }
}

impl Deref for FileName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: FileName,
    /// Line, from 1; 0 where the place is the whole file.
    pub line: u32,
    /// Column in characters, from 1; 0 where the place is the whole line.
    pub column: u32,
}

impl Place {
    /// The whole of `file`.
    pub fn whole(file: impl Into<FileName>) -> Self {
        Self { file: file.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// A value with the place where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// What was written.
    pub value: T,
    /// File, line and column at which it was written.
    pub place: Place,
}

impl<T> At<T> {
    /// `value`, as written at `place`.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

/// Whether a problem keeps the load from being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing of this load is served; the last good one stays (invariant I5).
    Error,
    /// Served, but probably not what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// Whether it keeps the load from being served.
    pub severity: Severity,
    /// What is wrong, with the value in question, without a final full stop.
    pub what: String,
    /// What to do about it; empty where `what` says it all.
    pub hint: String,
}

impl Problem {
    /// A problem that keeps the load from being served.
    pub fn error(place: Place, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place, severity: Severity::Error, what: what.into(), hint: hint.into() }
    }

    /// A problem that is served all the same.
    pub fn warning(place: Place, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place, severity: Severity::Warning, what: what.into(), hint: hint.into() }
    }

    /// True when it keeps the load from being served.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `zones/a.toml:3:9: error: what is wrong` and, on a line of its own, `  hint: what to do`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}: {severity}: {}", self.place, self.what)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\n  hint: {}", self.hint) }
    }
}

/// Why a text is not a valid value, and what to write instead: a problem that does not know its place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, with the text in question, without a final full stop.
    pub what: String,
    /// What to do about it; empty where `what` says it all.
    pub hint: String,
}

impl Fault {
    /// A text that is not valid because of `what`.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// `what is wrong: what to do`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, ": {}", self.hint) }
    }
}

/// The known word nearest to `unknown`, if one is near enough to be meant.
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(unknown, word), word))
        .min()
        .filter(|(distance, word)| *distance <= word.len().max(unknown.len()).div_ceil(3))
        .map(|(_, word)| word)
}

/// `1 endpoint`, `2 endpoints`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_place_severity_and_hint() {
        let place = Place { file: "zones/a.toml".into(), line: 3, column: 9 };
        let problem = Problem::error(place, "unknown key 'vpcid'", "did you mean 'vpc_id'?");
        assert_eq!(problem.to_string(), "zones/a.toml:3:9: error: unknown key 'vpcid'\n  hint: did you mean 'vpc_id'?");
        assert_eq!(Problem::warning(Place::whole("x"), "w", "").to_string(), "x: warning: w");
    }

    #[test]
    fn nearest_is_near() {
        assert_eq!(nearest("vpcid", ["vpc_id", "region"]), Some("vpc_id"));
        assert_eq!(nearest("zzz", ["vpc_id", "region"]), None);
    }
}
