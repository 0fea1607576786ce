//! Our own files: arrays of tables whose keys are Terraform's argument names.
//!
//! Knows the keys and what each of them takes; whether objects fit together is for the model.

mod endpoint;
mod network;
mod profile;
mod resolver_endpoint;
mod rule;
mod zone;

use crate::model::{Input, Object};
use crate::problem::{FileName, nearest};

use super::Declared;
use super::beside::FilesBeside;
use super::doc::{DocNode, Entry, Value, parse_toml};
use super::lines::Lines;
use super::reader::{Fields, Keys, Reader};

/// One kind of object: how its tables are called and read.
struct Kind {
    /// The key of the array of tables.
    key: &'static str,
    /// The same in the words of a problem.
    name: &'static str,
    keys: &'static [&'static str],
    /// The key by which other objects refer to one of this kind.
    id: &'static str,
    /// `Ok(None)` for an object that is left out, and has been said to be; `Err` for one with a problem of its own.
    read: fn(&mut Reader<'_>, &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable>,
}

/// An object has problems, which have been told.
struct BrokenTable;

/// Kinds in the order in which README and DESIGN show them.
const KINDS: [Kind; 8] = [
    Kind { key: "vpc", name: "[[vpc]]", keys: network::VPC_KEYS, id: "vpc_id", read: network::vpc },
    Kind { key: "subnet", name: "[[subnet]]", keys: network::SUBNET_KEYS, id: "subnet_id", read: network::subnet },
    Kind {
        key: "vpc_endpoint",
        name: "[[vpc_endpoint]]",
        keys: endpoint::ENDPOINT_KEYS,
        id: "vpc_endpoint_id",
        read: endpoint::endpoint,
    },
    Kind {
        key: "vpc_endpoint_service",
        name: "[[vpc_endpoint_service]]",
        keys: endpoint::SERVICE_KEYS,
        id: "service_name",
        read: endpoint::service,
    },
    Kind { key: "hosted_zone", name: "[[hosted_zone]]", keys: zone::KEYS, id: "name", read: zone::hosted_zone },
    Kind { key: "resolver_rule", name: "[[resolver_rule]]", keys: rule::KEYS, id: "domain_name", read: rule::rule },
    Kind { key: "profile", name: "[[profile]]", keys: profile::KEYS, id: "name", read: profile::profile },
    Kind {
        key: "resolver_endpoint",
        name: "[[resolver_endpoint]]",
        keys: resolver_endpoint::KEYS,
        id: "name",
        read: resolver_endpoint::endpoint,
    },
];

/// What `text`, the content of `file`, declares; `files` has those that it may refer to.
pub(super) fn read(file: FileName, text: &str, files: &dyn FilesBeside) -> Declared {
    let lines = Lines::new(file, text);
    let mut reader = Reader::with_files(&lines, files);
    let (root, syntax_errors) = parse_toml(text);
    let incomplete = !syntax_errors.is_empty();
    // what follows an error on its line nearly always follows from it
    let mut last_line = 0;
    for error in syntax_errors {
        let place = reader.place(error.at);
        if std::mem::replace(&mut last_line, place.line) != place.line {
            reader.error_at(place, error.what, error.hint);
        }
    }
    let mut loaded = Declared { incomplete, ..Declared::default() };
    for entry in root.entries() {
        match KINDS.iter().find(|kind| kind.key == entry.key) {
            // what is left of a file with syntax errors would be full of problems that follow from them
            Some(kind) if incomplete => {
                loaded.broken.extend(objects(entry).filter_map(|node| id_of(node, kind)));
            }
            Some(kind) => read_kind(&mut reader, kind, entry, &mut loaded),
            None if incomplete => {}
            None => unknown_kind(&mut reader, entry),
        }
    }
    loaded.problems = reader.into_problems();
    loaded.problems.sort_by(|a, b| a.place.cmp(&b.place));
    loaded
}

fn read_kind(reader: &mut Reader<'_>, kind: &Kind, entry: &Entry<'_>, loaded: &mut Declared) {
    if !matches!(entry.node.value, Value::Array(_)) {
        let what = format!("'{}' must be an array of tables, found {}", kind.key, entry.node.describe());
        reader.error(entry.key_at, what, format!("begin each one with {}", kind.name));
        loaded.broken.extend(id_of(&entry.node, kind));
        return;
    }
    for node in objects(entry) {
        let before = reader.errors();
        let object = match reader.table(node, kind.name, Keys::Only(kind.keys)) {
            Some(fields) => (kind.read)(reader, &fields),
            None => Err(BrokenTable),
        };
        match object {
            Ok(object) if reader.errors() == before => {
                let place = reader.place(node.at);
                loaded.inputs.extend(object.map(|object| Input::new(place, object)));
            }
            _ => loaded.broken.extend(id_of(node, kind)),
        }
    }
}

fn unknown_kind(reader: &mut Reader<'_>, entry: &Entry<'_>) {
    let hint = match nearest(&entry.key, KINDS.iter().map(|kind| kind.key)) {
        Some(key) => format!("did you mean [[{key}]]?"),
        None => format!("a file holds {}", KINDS.map(|kind| kind.name).join(", ")),
    };
    reader.error(entry.key_at, format!("unknown key '{}'", entry.key), hint);
}

fn objects<'n, 't>(entry: &'n Entry<'t>) -> impl Iterator<Item = &'n DocNode<'t>> {
    let nodes: &[DocNode<'t>] = match &entry.node.value {
        Value::Array(nodes) => nodes,
        _ => &[],
    };
    nodes.iter()
}

/// The id of an object as it was written, whether or not it is one.
fn id_of(node: &DocNode<'_>, kind: &Kind) -> Option<String> {
    let id = node.entries().iter().find(|entry| entry.key == kind.id)?;
    match &id.node.value {
        Value::String(text) => Some(text.to_string()),
        _ => None,
    }
}
