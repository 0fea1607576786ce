//! Files of keys: tables of one name, each a key with a secret, each declared once. What a key holds is the caller's.
//!
//! No problem repeats a secret: problems are logged.

use std::collections::HashMap;

use super::doc::{DocNode, Value, parse_toml};
use super::lines::Lines;
use super::reader::{Fields, Keys, Reader};
use crate::problem::{At, FileName, Place, Problem};

/// A kind of file, and how one of its keys is read.
pub(super) struct KeyFile<T> {
    /// The file as messages name it: `a file of access keys`.
    pub(super) file: &'static str,
    /// The one name of its tables.
    pub(super) table: &'static [&'static str; 1],
    /// A key as messages name it: `access key`.
    pub(super) what: &'static str,
    /// What a key needs: the hint where there is none.
    pub(super) needs: &'static str,
    /// One key, with the place of its name.
    pub(super) read_one: fn(&mut Reader<'_>, &DocNode<'_>) -> Option<At<T>>,
    /// The name of a key, which no other has.
    pub(super) name: fn(&T) -> String,
}

impl<T> KeyFile<T> {
    /// Keys out of `text`, the content of `path`, and everything that is wrong with it. A file without a key is an error.
    pub(super) fn read(&self, path: &FileName, text: &str) -> (Vec<T>, Vec<Problem>) {
        let lines = Lines::new(path.clone(), text);
        let mut reader = Reader::new(&lines);
        let (root, syntax_errors) = parse_toml(text);
        let mut keys = vec![];
        if syntax_errors.is_empty() {
            if let Some(fields) = reader.table(&root, self.file, Keys::Only(self.table)) {
                keys = self.read_all(&mut reader, &fields);
            }
            if keys.is_empty() && reader.errors() == 0 {
                let hint = format!("add [[{}]] with {}", self.table[0], self.needs);
                reader.error_at(lines.whole(), format!("no {} in this file", self.what), hint);
            }
        } else {
            for error in syntax_errors {
                reader.error(error.at, error.what, error.hint);
            }
        }
        (keys, reader.into_problems())
    }

    fn read_all(&self, reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Vec<T> {
        let mut keys = vec![];
        let mut places: HashMap<String, Place> = HashMap::new();
        for node in fields.items(reader, self.table[0]) {
            let Some(At { value: key, place }) = (self.read_one)(reader, node) else { continue };
            let name = (self.name)(&key);
            let what = format!("{} {name} is declared twice", self.what);
            if let Some(first) = places.insert(name, place.clone()) {
                reader.error_at(place, what, format!("the other is at {first}"));
            } else {
                keys.push(key);
            }
        }
        keys
    }
}

/// The text of a key's secret; `missing` is the hint where there is none.
pub(super) fn secret_text<'d>(
    reader: &mut Reader<'_>,
    fields: &Fields<'d, '_>,
    key: &'static str,
    missing: &str,
) -> Option<(&'d DocNode<'d>, &'d str)> {
    let Some(node) = fields.node(reader, key) else {
        fields.missing_with(reader, key, missing);
        return None;
    };
    let Value::String(text) = &node.value else {
        reader.error(node.at, format!("{key} is not a string"), "write it in quotes");
        return None;
    };
    Some((node, text))
}
