//! The parameters of a call that is a JSON document (AWS JSON 1.1, REST-JSON), and the actions that take them.
//!
//! An action reads its members first, and then asks whether they were sound: all that is wrong is said at once, in the
//! words of AWS's own checks. Members that no action knows are left out, as AWS does. Nothing here knows a service.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::call::Call;
use super::error::ApiError;
use super::state::Edit;

/// The members of a document.
pub(super) type Members = Map<String, Value>;

/// An action whose parameters and answer are documents.
pub(super) struct DocumentAction {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it can change anything.
    pub(super) writes: bool,
    /// Checks the call and says what it comes to; changes nothing itself.
    pub(super) run: fn(&Call<'_>, &Document<'_>) -> Result<DocumentDone, ApiError>,
}

/// What such an action comes to.
#[derive(Debug)]
pub(super) struct DocumentDone {
    /// What it changes; empty where it only reads.
    pub(super) edit: Edit,
    /// What it answers once that is durable and being served.
    pub(super) answer: Value,
}

impl DocumentDone {
    /// An answer that changes nothing.
    pub(super) fn read(answer: Value) -> Self {
        Self { edit: Edit::default(), answer }
    }
}

/// A call of such an action.
#[derive(Clone)]
pub(super) struct DocumentCall {
    action: &'static DocumentAction,
    pub(super) members: Members,
}

impl DocumentCall {
    /// A call of `action`; `body` is its document.
    pub(super) fn new(action: &'static DocumentAction, body: &[u8]) -> Result<Self, ApiError> {
        members(body).map(|members| Self::of(action, members))
    }

    /// A call of `action` with these members.
    pub(super) fn of(action: &'static DocumentAction, members: Members) -> Self {
        Self { action, members }
    }

    pub(super) fn action(&self) -> &'static DocumentAction {
        self.action
    }

    /// What it comes to.
    pub(super) fn run(&self, call: &Call<'_>) -> Result<DocumentDone, ApiError> {
        let faults = RefCell::default();
        (self.action.run)(call, &Document { members: &self.members, path: String::new(), faults: &faults })
    }

    /// The ids and ARNs that it names, for the log.
    pub(super) fn ids(&self) -> Vec<String> {
        let is_name = |name: &str| (name.ends_with("Id") || name.ends_with("Arn")) && name != "CreatorRequestId";
        let named = self.members.iter().filter(|(name, _)| is_name(name));
        named.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect()
    }
}

/// The members of a document in JSON.
pub(super) fn members(body: &[u8]) -> Result<Members, ApiError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(serialization("The document is not an object.")),
        Err(error) => Err(serialization(&error.to_string())),
    }
}

fn serialization(message: &str) -> ApiError {
    ApiError::new("SerializationException", message)
}

/// The document of a call, or a structure in it.
pub(super) struct Document<'d> {
    members: &'d Members,
    /// How AWS's checks name it: `targetIps.`; empty for the call itself.
    path: String,
    faults: &'d RefCell<Faults>,
}

/// What is wrong with the members that were read so far.
#[derive(Default)]
struct Faults {
    /// A member of another type.
    mistyped: Option<String>,
    /// Values that are missing or out of their ranges.
    constraints: Vec<String>,
}

impl<'d> Document<'d> {
    /// Whether all that was read is sound. To be asked before anything that was read is used.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let Faults { mistyped, constraints } = &*self.faults.borrow();
        if let Some(message) = mistyped {
            return Err(serialization(message));
        }
        if constraints.is_empty() {
            return Ok(());
        }
        let (count, plural) = (constraints.len(), if constraints.len() == 1 { "" } else { "s" });
        let message = format!("{count} validation error{plural} detected: {}", constraints.join("; "));
        Err(ApiError::new("ValidationException", message))
    }

    /// A text of so many characters.
    pub(super) fn text(&self, name: &str, length: RangeInclusive<usize>) -> Option<&'d str> {
        let text = self.typed(name, "a String", Value::as_str)?;
        self.in_length(name, text, text.chars().count(), length);
        Some(text)
    }

    /// A text that has to be there.
    pub(super) fn need(&self, name: &str, length: RangeInclusive<usize>) -> &'d str {
        self.text(name, length).unwrap_or_else(|| self.is_missing(name))
    }

    /// One of the words of an enumeration.
    pub(super) fn word(&self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        self.typed(name, "a String", Value::as_str).and_then(|text| self.known(name, text, words))
    }

    /// One of them, that has to be there.
    pub(super) fn need_word(&self, name: &str, words: &[&'static str]) -> &'static str {
        if self.member(name).is_none() {
            return self.is_missing(name);
        }
        self.word(name, words).unwrap_or_default()
    }

    /// A list of words of an enumeration.
    pub(super) fn words(
        &self,
        name: &str,
        count: RangeInclusive<usize>,
        words: &[&'static str],
    ) -> Option<Vec<&'static str>> {
        let given = self.texts(name, count, 0..=usize::MAX)?;
        let known = given.into_iter().filter_map(|text| self.known(name, text, words));
        Some(known.collect())
    }

    /// The friendly name of a resource (Route 53 Resolver API Reference, `Name`).
    pub(super) fn friendly_name(&self, name: &str) -> Option<&'d str> {
        let text = self.text(name, 0..=64).filter(|text| !text.is_empty())?;
        let is_sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '\'' | ' ');
        if !text.chars().all(is_sound) || text.bytes().all(|octet| octet.is_ascii_digit()) {
            self.refuse(name, text, "satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9\\-_' ']+)");
        }
        Some(text)
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let number = self.typed(name, "an Integer", Value::as_i64)?;
        if number < i64::from(*range.start()) {
            self.refuse(name, number, &format!("have value greater than or equal to {}", range.start()));
        } else if number > i64::from(*range.end()) {
            self.refuse(name, number, &format!("have value less than or equal to {}", range.end()));
        }
        u32::try_from(number).ok()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.typed(name, "a Boolean", Value::as_bool)
    }

    /// A list of texts of so many characters each.
    pub(super) fn texts(
        &self,
        name: &str,
        count: RangeInclusive<usize>,
        length: RangeInclusive<usize>,
    ) -> Option<Vec<&'d str>> {
        let list = self.list(name, count)?;
        let texts: Vec<&str> = list.iter().filter_map(|item| self.of_type(item, "a String", Value::as_str)).collect();
        for text in &texts {
            self.in_length(name, text, text.chars().count(), length.clone());
        }
        Some(texts)
    }

    /// A map of texts, with so many entries; the longest key and value have so many characters.
    pub(super) fn map(
        &self,
        name: &str,
        count: RangeInclusive<usize>,
        longest_key: usize,
        longest_value: usize,
    ) -> Option<Vec<(String, String)>> {
        let map = self.typed(name, "a map", Value::as_object)?;
        self.in_length(name, "{...}", map.len(), count);
        let mut pairs = Vec::new();
        for (key, value) in map {
            let Some(text) = self.of_type(value, "a String", Value::as_str) else { continue };
            self.in_length(name, key, key.chars().count(), 1..=longest_key);
            self.in_length(name, text, text.chars().count(), 0..=longest_value);
            pairs.push((key.clone(), text.to_owned()));
        }
        Some(pairs)
    }

    /// A structure.
    pub(super) fn structure(&self, name: &str) -> Option<Self> {
        self.typed(name, "a structure", Value::as_object).map(|members| self.inner(name, members))
    }

    /// A structure that has to be there.
    pub(super) fn need_structure(&self, name: &str) -> Option<Self> {
        if self.member(name).is_none() {
            self.is_missing(name);
        }
        self.structure(name)
    }

    /// A list of structures.
    pub(super) fn structures(&self, name: &str, count: RangeInclusive<usize>) -> Option<Vec<Self>> {
        let list = self.list(name, count)?;
        let members = list.iter().filter_map(|item| self.of_type(item, "a structure", Value::as_object));
        Some(members.map(|members| self.inner(name, members)).collect())
    }

    /// Notes that a member is not there.
    pub(super) fn is_missing(&self, name: &str) -> &'static str {
        self.note(name, "null", "not be null");
        ""
    }

    fn known(&self, name: &str, text: &str, words: &[&'static str]) -> Option<&'static str> {
        let known = words.iter().find(|word| **word == text);
        if known.is_none() {
            self.refuse(name, text, &format!("satisfy enum value set: [{}]", words.join(", ")));
        }
        known.copied()
    }

    fn list(&self, name: &str, count: RangeInclusive<usize>) -> Option<&'d [Value]> {
        let list = self.typed(name, "a list", Value::as_array)?;
        self.in_length(name, "[...]", list.len(), count);
        Some(list)
    }

    fn inner(&self, name: &str, members: &'d Members) -> Self {
        Self { members, path: format!("{}{}.", self.path, camel(name)), faults: self.faults }
    }

    /// A member that is there; `null` counts as not given.
    fn member(&self, name: &str) -> Option<&'d Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn typed<T>(&self, name: &str, kind: &str, read: impl Fn(&'d Value) -> Option<T>) -> Option<T> {
        self.member(name).and_then(|value| self.of_type(value, kind, read))
    }

    fn of_type<T>(&self, value: &'d Value, kind: &str, read: impl Fn(&'d Value) -> Option<T>) -> Option<T> {
        let read = read(value);
        if read.is_none() {
            let token = match value {
                Value::Null => "NULL_VALUE",
                Value::Bool(true) => "TRUE_VALUE",
                Value::Bool(false) => "FALSE_VALUE",
                Value::Number(_) => "NUMBER_VALUE",
                Value::String(_) => "STRING_VALUE",
                Value::Array(_) => "START_ARRAY",
                Value::Object(_) => "START_OBJECT",
            };
            self.faults.borrow_mut().mistyped.get_or_insert_with(|| format!("{token} can not be converted to {kind}"));
        }
        read
    }

    fn in_length(&self, name: &str, value: &str, length: usize, range: RangeInclusive<usize>) {
        if length < *range.start() {
            self.refuse(name, value, &format!("have length greater than or equal to {}", range.start()));
        } else if length > *range.end() {
            self.refuse(name, value, &format!("have length less than or equal to {}", range.end()));
        }
    }

    fn refuse(&self, name: &str, value: impl std::fmt::Display, constraint: &str) {
        self.note(name, &format!("'{value}'"), constraint);
    }

    fn note(&self, name: &str, value: &str, constraint: &str) {
        let mut fault = format!("Value {value} at '{}{}' failed to satisfy constraint: ", self.path, camel(name));
        let _ = write!(fault, "Member must {constraint}");
        self.faults.borrow_mut().constraints.push(fault);
    }
}

/// `vPCId` of `VPCId`.
fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}
