//! Names, each of which stands for itself and for all names below it; `*.` in front: only for those below.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::owned::DnsName;
use super::wire::ends;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSet {
    /// Whether only what is below the name is meant. The operator's own names: none is chosen to collide.
    names: HashMap<DnsName, bool, FixedState>,
}

impl NameSet {
    /// The longest name of the set that stands for a wire name in lower case, without its `*.`.
    pub fn covering(&self, wire: &[u8]) -> Option<&DnsName> {
        if self.names.is_empty() {
            return None;
        }
        ends(wire).enumerate().find_map(|(above, end)| {
            let (name, only_below) = self.names.get_key_value(end)?;
            (above > 0 || !only_below).then_some(name)
        })
    }

    /// Whether the set stands for names below this one.
    pub fn has_below(&self, name: &DnsName) -> bool {
        self.names.keys().any(|one| one.is_at_or_below(name))
    }
}

impl FromIterator<DnsName> for NameSet {
    fn from_iter<I: IntoIterator<Item = DnsName>>(names: I) -> Self {
        let mut set = Self::default();
        for name in names {
            match name.wildcard_apex() {
                Some(parent) => drop(set.names.entry(parent).or_insert(true)),
                None => drop(set.names.insert(name, false)),
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        text.parse().unwrap()
    }

    fn covering(set: &str, asked: &str) -> Option<String> {
        let set: NameSet = set.split_whitespace().map(name).collect();
        set.covering(name(asked).wire()).map(ToString::to_string)
    }

    #[test]
    fn a_name_stands_for_itself_and_all_below() {
        for (set, asked, want) in [
            ("", "a.example", None),
            ("example", "example", Some("example")),
            ("example", "b.a.EXAMPLE", Some("example")),
            ("example", "anexample", None),
            ("a.example example", "x.a.example", Some("a.example")),
            ("a.example example", "x.b.example", Some("example")),
            ("*.example", "example", None),
            ("*.example", "a.example", Some("example")),
            ("*.a.example example", "a.example", Some("example")),
            ("*.example example", "example", Some("example")),
            ("example *.example", "example", Some("example")),
            (".", "example", Some(".")),
            (".", ".", Some(".")),
            ("*", "example", Some(".")),
            ("*", ".", None),
        ] {
            assert_eq!(covering(set, asked).as_deref(), want, "{asked} in {set}");
        }
    }

    #[test]
    fn names_below_are_seen_from_above() {
        let set: NameSet = [name("*.b.example")].into_iter().collect();
        assert!(set.has_below(&name("example")) && set.has_below(&name("b.example")));
        assert!(!set.has_below(&name("a.b.example")) && !set.has_below(&name("c.example")));
    }
}
