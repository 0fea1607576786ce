//! The names that the answer of a reply goes through: the question's, and those that its CNAMEs lead to. Knows no entries.

use std::collections::HashSet;

use crate::dns::{HEADER_LEN, Message, NameBuf, Record, Rtype, Section, is_at_or_below, read_name};

/// Rounds in which the names of an answer are gathered. Servers write aliases in the order in which they lead on, for
/// which one is enough.
const ROUNDS: usize = 16;

/// See the module. Most answers go through one name, and for that nothing is allocated.
#[derive(Default)]
pub(super) struct NamesOfAnswer {
    question: Option<NameBuf>,
    targets: HashSet<Box<[u8]>, foldhash::quality::RandomState>,
}

impl NamesOfAnswer {
    /// Those of a message; none where it has no question.
    pub(super) fn of(message: &Message<'_>) -> Self {
        let mut names = Self::default();
        if message.question().is_empty() {
            return names;
        }
        names.question = read_name(message.octets(), HEADER_LEN).map(|(name, _)| name);
        for _ in 0..ROUNDS {
            let before = names.targets.len();
            for record in message.records().take_while(|record| record.section == Section::Answer) {
                if record.rtype == Rtype::CNAME
                    && names.have_owner(message, &record)
                    && let Some((target, _)) = read_name(message.octets(), record.rdata.start)
                    && !names.have(&target)
                {
                    names.targets.insert(target.wire().into());
                }
            }
            if names.targets.len() == before {
                break;
            }
        }
        names
    }

    fn have(&self, name: &NameBuf) -> bool {
        self.question.as_ref() == Some(name) || !self.targets.is_empty() && self.targets.contains(name.wire())
    }

    /// Whether a record's owner is one of them.
    pub(super) fn have_owner(&self, message: &Message<'_>, record: &Record) -> bool {
        self.question.is_some() && message.points_to_question(record) || self.have(&message.owner(record))
    }

    /// Whether one of them is this name or below it.
    pub(super) fn are_in(&self, zone: &NameBuf) -> bool {
        self.iter().any(|name| is_at_or_below(name, zone.wire()))
    }

    /// Each of them, in wire octets and lower case.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.question.iter().map(NameBuf::wire).chain(self.targets.iter().map(|name| &**name))
    }
}
