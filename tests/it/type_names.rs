//! One type name has one meaning: a struct, enum, trait or type alias is defined once in the library.

use std::collections::BTreeMap;

use crate::common::rust_source;

#[test]
fn a_type_name_has_one_meaning() {
    let files = rust_source::library();
    let mut defined: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.is_test()) {
        for name in &file.types {
            defined.entry(name).or_default().push(&file.name);
        }
    }
    defined.retain(|_, places| places.len() > 1);
    let wrong: Vec<String> = defined.iter().map(|(name, places)| format!("{name}: {}", places.join(", "))).collect();
    assert!(wrong.is_empty(), "type names with several meanings:\n{}", wrong.join("\n"));
}
