//! Which records beside the answer belong to a reply.
//!
//! The authority section says in whose name a reply speaks, and proves that something does not exist. So SOA, NS and DS
//! are of a zone that holds one of the names that the answer goes through, and proofs (NSEC, NSEC3, signatures) are of
//! such a zone. The additional section helps with names that kept records lead to, in those zones: an address that a
//! server gives for somebody else's name is none of its business (RFC 2181 5.4.1 ranks it lowest). Everything else is
//! removed, as Unbound's scrubber does. Knows no entries.

use std::collections::HashSet;

use super::names::NamesOfAnswer;
use crate::dns::{Class, Message, NameBuf, Record, Rtype, Section, read_name, u16_at};

/// Octets in front of the signer's name in a signature (RFC 4034 3.1).
const BEFORE_SIGNER: usize = 18;
/// Additional records may lead to others: from DNS-SD's instance over its SRV to an address (RFC 6763 12).
const ROUNDS: usize = 3;

/// See the module.
#[derive(Default)]
pub(super) struct Scrub {
    /// Zones that hold a name of the answer.
    zones: Vec<NameBuf>,
    /// Where additional records may be: such zones, but the root only for names of its own.
    near: Vec<NameBuf>,
    /// Names that kept records lead to.
    targets: HashSet<NameBuf>,
}

impl Scrub {
    /// For a reply of which `names` are the names that its answer goes through.
    pub(super) fn new(message: &Message<'_>, names: &NamesOfAnswer) -> Self {
        let [authority, additional] = [Section::Authority, Section::Additional].map(|section| message.count(section));
        // an OPT is all that most replies have behind their answer
        if authority == 0 && (additional == 0 || additional == 1 && message.opt().is_some()) {
            return Self::default();
        }
        let holds = |zone: &NameBuf| names.are_in(zone);
        let beside = message.records().take_while(|record| record.section != Section::Additional);
        let zones: Vec<NameBuf> = beside.filter_map(|record| zone_of(message, &record)).filter(holds).collect();
        let near = zones.iter().filter(|zone| zone.wire() != [0]).copied();
        let mut scrub = Self { near: near.chain(names.iter().filter_map(host_of)).collect(), zones, ..Self::default() };
        if additional > 0 {
            scrub.find_targets(message);
        }
        scrub
    }

    /// Whether a record of the authority or additional section belongs to the reply.
    pub(super) fn keeps(&self, message: &Message<'_>, record: &Record) -> bool {
        record.class == Class::IN
            && match record.section {
                Section::Answer => true,
                Section::Authority => match kind_of(message, record) {
                    Rtype::SOA | Rtype::NS | Rtype::DS => self.zones.contains(&message.owner(record)),
                    Rtype::NSEC | Rtype::NSEC3 => is_in(&message.owner(record), &self.zones),
                    _ => false,
                },
                Section::Additional => {
                    let owner = message.owner(record);
                    self.targets.contains(&owner) && is_in(&owner, &self.near)
                }
            }
    }

    fn find_targets(&mut self, message: &Message<'_>) {
        for _ in 0..ROUNDS {
            let kept = message.records().filter(|record| self.keeps(message, record));
            let found: Vec<NameBuf> = kept.filter_map(|record| target_of(message, &record)).collect();
            let before = self.targets.len();
            self.targets.extend(found);
            if self.targets.len() == before {
                break;
            }
        }
    }
}

fn is_in(name: &NameBuf, zones: &[NameBuf]) -> bool {
    zones.iter().any(|zone| name.is_at_or_below(zone))
}

/// The zone that a record speaks for.
fn zone_of(message: &Message<'_>, record: &Record) -> Option<NameBuf> {
    match record.rtype {
        Rtype::RRSIG => Some(read_name(message.octets(), record.rdata.start + BEFORE_SIGNER)?.0),
        Rtype::SOA | Rtype::NS | Rtype::DS if record.section == Section::Authority => Some(message.owner(record)),
        _ => None,
    }
}

/// The record's type, or the type that it signs (RFC 4034 3.1.1).
fn kind_of(message: &Message<'_>, record: &Record) -> Rtype {
    match record.rtype {
        Rtype::RRSIG => u16_at(message.octets(), record.rdata.start).map_or(Rtype::RRSIG, Rtype::new),
        rtype => rtype,
    }
}

/// The name without the labels of services in front (RFC 8552 1): what offers a service is beside it.
fn host_of(name: &[u8]) -> Option<NameBuf> {
    let mut rest = name;
    while let [len, b'_', ..] = rest {
        rest = rest.get(1 + usize::from(*len)..)?;
    }
    let mut host = NameBuf::default();
    host.read(rest).map(|_| host)
}

/// The name whose addresses whoever gets the record asks for next.
fn target_of(message: &Message<'_>, record: &Record) -> Option<NameBuf> {
    let before = match record.rtype {
        Rtype::NS | Rtype::PTR => 0,
        Rtype::MX | Rtype::SVCB | Rtype::HTTPS => 2,
        Rtype::SRV => 6,
        _ => return None,
    };
    read_name(message.octets(), record.rdata.start + before).map(|(name, _)| name)
}
