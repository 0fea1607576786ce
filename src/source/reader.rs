//! Reads typed values out of a tree and collects what is wrong instead of stopping at the first.
//!
//! Knows places and problems, and neither TOML nor JSON nor what the keys mean. Each function returns `None` when it
//! has already said why.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;
use std::ops::RangeInclusive;

use crate::problem::{At, Place, Problem, nearest};

use super::beside::{FilesBeside, NoFiles};
use super::doc::{DocNode, Entry, Value};
use super::lines::Lines;
use super::values::Text;

/// What is wrong so far with one file.
pub(super) struct Reader<'t> {
    lines: &'t Lines<'t>,
    files: &'t dyn FilesBeside,
    problems: Vec<Problem>,
    errors: usize,
}

/// Which keys a table may have.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// These and no others: a person wrote the file.
    Only(&'static [&'static str]),
    /// Any: AWS wrote it, and adds some every month.
    Any,
}

/// The entries of one table.
pub(super) struct Fields<'n, 't> {
    /// Offset at which the table begins.
    pub(super) at: u32,
    /// The table in words: `[[vpc]]`.
    name: &'static str,
    entries: &'n [Entry<'t>],
    strict: bool,
    /// Keys that were meant by unknown ones: not reported as missing as well.
    meant: Vec<&'static str>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(lines: &'t Lines<'t>) -> Self {
        Self::with_files(lines, &NoFiles)
    }

    /// The same for a file that may refer to others.
    pub(super) fn with_files(lines: &'t Lines<'t>, files: &'t dyn FilesBeside) -> Self {
        Self { lines, files, problems: vec![], errors: 0 }
    }

    /// The files that this one may refer to.
    pub(super) fn files(&self) -> &'t dyn FilesBeside {
        self.files
    }

    /// The place of the character at offset `at`.
    pub(super) fn place(&self, at: u32) -> Place {
        self.lines.place(at)
    }

    /// How many errors there are so far: an object is whole when reading it adds none.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// All that was wrong.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    pub(super) fn error(&mut self, at: u32, what: impl Into<String>, hint: impl Into<String>) {
        self.error_at(self.place(at), what, hint);
    }

    pub(super) fn error_at(&mut self, place: Place, what: impl Into<String>, hint: impl Into<String>) {
        self.errors += 1;
        self.problems.push(Problem::error(place, what, hint));
    }

    pub(super) fn warning(&mut self, at: u32, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::warning(self.place(at), what, hint));
    }

    /// The same at a place that is known.
    pub(super) fn warning_at(&mut self, place: Place, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::warning(place, what, hint));
    }

    /// The entries of a table that is called `name`; unknown keys become problems.
    pub(super) fn table<'n, 'd>(
        &mut self,
        node: &'n DocNode<'d>,
        name: &'static str,
        keys: Keys,
    ) -> Option<Fields<'n, 'd>> {
        let Value::Table(entries) = &node.value else {
            self.expected(node, "a table");
            return None;
        };
        let Keys::Only(known) = keys else {
            return Some(Fields { at: node.at, name, entries, strict: false, meant: vec![] });
        };
        let mut meant = vec![];
        for entry in entries.iter().filter(|entry| !known.contains(&&*entry.key)) {
            // nobody misses tags; DNS has no use for them
            if entry.key == "tags" {
                continue;
            }
            let hint = match nearest(&entry.key, known.iter().copied()) {
                Some(key) => {
                    meant.extend(known.iter().find(|known| **known == key));
                    format!("did you mean '{key}'?")
                }
                None => format!("keys of {name}: {}", known.join(", ")),
            };
            self.error(entry.key_at, format!("unknown key '{}'", entry.key), hint);
        }
        Some(Fields { at: node.at, name, entries, strict: true, meant })
    }

    /// The elements of an array.
    pub(super) fn array<'n, 'd>(&mut self, node: &'n DocNode<'d>) -> &'n [DocNode<'d>] {
        if let Value::Array(items) = &node.value {
            return items;
        }
        self.expected(node, "an array");
        &[]
    }

    /// A string.
    pub(super) fn text<'n>(&mut self, node: &'n DocNode<'_>) -> Option<&'n str> {
        if let Value::String(text) = &node.value {
            return Some(text);
        }
        self.expected(node, "a string");
        None
    }

    /// A value that is written as a string.
    pub(super) fn value<T: Text>(&mut self, node: &DocNode<'_>) -> Option<At<T>> {
        match T::read(self.text(node)?) {
            Ok(value) => Some(At::new(value, self.place(node.at))),
            Err(fault) => {
                self.error(node.at, fault.what, fault.hint);
                None
            }
        }
    }

    /// Every value of an array, those that could not be read left out.
    pub(super) fn values<T: Text>(&mut self, node: &DocNode<'_>) -> Vec<At<T>> {
        self.array(node).iter().filter_map(|item| self.value(item)).collect()
    }

    /// Says that `node` is not what it should be.
    pub(super) fn expected(&mut self, node: &DocNode<'_>, what: &str) {
        self.error(node.at, format!("expected {what}, found {}", node.describe()), "");
    }
}

impl<'n, 't> Fields<'n, 't> {
    /// The value of a key; `null` is as good as none. A second value is a problem.
    pub(super) fn node(&self, reader: &mut Reader<'_>, key: &str) -> Option<&'n DocNode<'t>> {
        let mut found = self.entries.iter().filter(|entry| entry.key == key);
        let first = found.next()?;
        if let Some(second) = found.next() {
            reader.error(second.key_at, format!("key '{key}' is given twice"), "keep one of the two");
        }
        (!matches!(first.node.value, Value::Null)).then_some(&first.node)
    }

    /// Whether the key is there, with any value but `null`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && !matches!(entry.node.value, Value::Null))
    }

    /// A value that may be left out.
    pub(super) fn optional<T: Text>(&self, reader: &mut Reader<'_>, key: &str) -> Option<At<T>> {
        self.node(reader, key).and_then(|node| reader.value(node))
    }

    /// A value that must be there.
    pub(super) fn required<T: Text>(&self, reader: &mut Reader<'_>, key: &str) -> Option<At<T>> {
        let Some(node) = self.node(reader, key) else {
            self.missing(reader, key, T::EXAMPLE);
            return None;
        };
        reader.value(node)
    }

    /// An array of values, empty where it is left out.
    pub(super) fn list<T: Text>(&self, reader: &mut Reader<'_>, key: &str) -> Vec<At<T>> {
        self.node(reader, key).map(|node| reader.values(node)).unwrap_or_default()
    }

    /// The elements of an array, none where it is left out.
    pub(super) fn items(&self, reader: &mut Reader<'_>, key: &str) -> &'n [DocNode<'t>] {
        self.node(reader, key).map(|node| reader.array(node)).unwrap_or_default()
    }

    /// `true` or `false`, if it is there.
    pub(super) fn flag(&self, reader: &mut Reader<'_>, key: &str) -> Option<At<bool>> {
        let node = self.node(reader, key)?;
        if let Value::Boolean(value) = node.value {
            return Some(At::new(value, reader.place(node.at)));
        }
        reader.expected(node, "true or false");
        None
    }

    /// An integer of a range, if it is there.
    pub(super) fn integer(&self, reader: &mut Reader<'_>, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let node = self.node(reader, key)?;
        let Value::Integer(digits) = &node.value else {
            reader.expected(node, "an integer");
            return None;
        };
        let value = digits.parse().ok().filter(|value| range.contains(value));
        if value.is_none() {
            let hint = format!("{key} is from {} to {}", range.start(), range.end());
            reader.error(node.at, format!("{digits} is out of range"), hint);
        }
        value
    }

    /// A string as it stands, if it is there and is one; problems are left to whoever reads the value.
    pub(super) fn peek(&self, key: &str) -> Option<&'n str> {
        self.entries.iter().find(|entry| entry.key == key).and_then(|entry| match &entry.node.value {
            Value::String(text) => Some(&**text),
            _ => None,
        })
    }

    /// Says that a key is missing, unless an unknown key was meant to be it.
    pub(super) fn missing(&self, reader: &mut Reader<'_>, key: &str, example: &str) {
        if self.strict {
            self.missing_with(reader, key, &format!("add {key} = \"{example}\""));
        } else {
            self.missing_with(reader, key, "save the output of the AWS CLI as it is, without --query");
        }
    }

    /// The same with a hint of the caller's.
    pub(super) fn missing_with(&self, reader: &mut Reader<'_>, key: &str, hint: &str) {
        if !self.meant.contains(&key) {
            reader.error(self.at, format!("{} has no '{key}'", self.name), hint);
        }
    }
}

/// Says which addresses are listed a second time.
pub(super) fn distinct<T: Display + Eq + Hash>(reader: &mut Reader<'_>, addresses: &[At<T>]) {
    let mut seen = HashSet::new();
    for address in addresses.iter().filter(|address| !seen.insert(&address.value)) {
        reader.error_at(address.place.clone(), format!("{} is listed twice", address.value), "keep one of the two");
    }
}
