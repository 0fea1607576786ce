//! One type name has one meaning: a struct, enum, trait or type alias is defined once in the library.

use std::collections::BTreeMap;

use crate::common::rust_source;

/// Names that may be defined more than once, each with the reason.
const ALLOWED: &[(&str, &str)] = &[];

/// Names that still have several meanings, with the number of their definitions. This list only gets shorter.
const KNOWN: &[(&str, usize)] = &[
    ("Access", 2),
    ("Caller", 2),
    ("Endpoint", 2),
    ("Event", 2),
    ("Interface", 2),
    ("Record", 2),
    ("Service", 2),
    ("Settings", 2),
    ("State", 2),
    ("Subnet", 2),
    ("Vpc", 2),
];

#[test]
fn a_type_name_has_one_meaning() {
    let files = rust_source::library();
    let mut defined: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.is_test()) {
        for name in &file.types {
            defined.entry(name).or_default().push(&file.name);
        }
    }
    defined.retain(|name, places| places.len() > 1 && !ALLOWED.iter().any(|(allowed, _)| allowed == name));
    let mut wrong = Vec::new();
    for (name, places) in &defined {
        match KNOWN.iter().find(|(known, _)| known == name) {
            Some((_, count)) if places.len() == *count => {}
            Some((_, count)) if places.len() < *count => {
                wrong.push(format!("fewer, lower the number: (\"{name}\", {}),", places.len()));
            }
            _ => wrong.push(format!("(\"{name}\", {}), in {}", places.len(), places.join(", "))),
        }
    }
    for (known, _) in KNOWN.iter().filter(|(known, _)| !defined.contains_key(known)) {
        wrong.push(format!("{known} has one meaning now: take it out of KNOWN"));
    }
    assert!(wrong.is_empty(), "type names with several meanings:\n{}", wrong.join("\n"));
}
