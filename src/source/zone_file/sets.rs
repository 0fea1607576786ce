//! Records of a master file to record sets (RFC 2181 5).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::dns::{DnsName, Rtype};
use crate::model::{RecordData, RecordInput, folded};
use crate::problem::At;

use super::super::reader::Reader;
use super::super::record_sets::Owners;
use super::reading::ZoneRecord;

/// The sets that records make, in the order of their first records.
pub(super) fn record_sets(
    reader: &mut Reader<'_>,
    zone: &DnsName,
    records: Vec<ZoneRecord>,
    owners: &mut Owners<'_>,
) -> Vec<RecordInput> {
    let mut sets: Vec<ZoneSet> = Vec::new();
    let mut numbers: HashMap<(DnsName, Rtype), usize> = HashMap::new();
    for record in records {
        match numbers.entry((record.name.value.clone(), record.rtype)) {
            Entry::Vacant(entry) => {
                entry.insert(sets.len());
                sets.push(ZoneSet::new(record));
            }
            Entry::Occupied(entry) => {
                if let Some(set) = sets.get_mut(*entry.get()) {
                    set.add(reader, record);
                }
            }
        }
    }
    for set in &sets {
        set.check(reader, zone);
        owners.add(reader, &set.name.place, &set.name.value, &[set.rtype]);
    }
    sets.into_iter().map(ZoneSet::into_input).collect()
}

/// The records of one owner and type.
struct ZoneSet {
    name: At<DnsName>,
    rtype: Rtype,
    ttl: u32,
    rdata: Vec<At<Box<[u8]>>>,
    /// The same in the form in which equal data is equal; empty while there is one record.
    folded: HashSet<Box<[u8]>>,
    /// A record with another TTL has been named.
    ttl_told: bool,
}

impl ZoneSet {
    fn new(record: ZoneRecord) -> Self {
        let ZoneRecord { name, rtype, ttl, rdata } = record;
        let rdata = vec![At::new(rdata, name.place.clone())];
        Self { name, rtype, ttl, rdata, folded: HashSet::new(), ttl_told: false }
    }

    fn add(&mut self, reader: &mut Reader<'_>, record: ZoneRecord) {
        let place = record.name.place;
        if self.ttl != record.ttl {
            // RFC 2181 5.2: "the TTLs of all RRs in an RRSet must be the same"; of unequal ones the least is safe
            let least = self.ttl.min(record.ttl);
            if !std::mem::replace(&mut self.ttl_told, true) {
                let what = format!("{} {} has the TTLs {} and {}", self.name.value, self.rtype, self.ttl, record.ttl);
                reader.warning_at(
                    place.clone(),
                    format!("{what}: the least one is served"),
                    "give the records of one type one TTL (RFC 2181 5.2)",
                );
            }
            self.ttl = least;
        }
        if self.folded.is_empty() {
            self.folded.extend(self.rdata.first().map(|first| folded(self.rtype, &first.value)));
        }
        // "duplicates ... should be suppressed" (RFC 2181 5)
        if self.folded.insert(folded(self.rtype, &record.rdata)) {
            self.rdata.push(At::new(record.rdata, place));
        }
    }

    fn check(&self, reader: &mut Reader<'_>, zone: &DnsName) {
        if self.rtype == Rtype::SOA && self.name.value != *zone {
            let what = format!("the SOA record is that of {}, and the zone is {zone}", self.name.value);
            let hint = "the zone's name is the [[hosted_zone]]'s; a master file has the SOA of its apex only";
            reader.error_at(self.name.place.clone(), what, hint);
        }
        let [_, second, ..] = &self.rdata[..] else { return };
        let why = match self.rtype {
            Rtype::CNAME => "a CNAME has one value (RFC 2181 10.1)",
            Rtype::DNAME => "a name has one DNAME (RFC 6672 2.4)",
            Rtype::SOA => "a zone has one SOA record (RFC 1035 5.2)",
            _ => return,
        };
        let hint = format!("keep one of them; the first is at {}", self.name.place);
        reader.error_at(second.place.clone(), why, hint);
    }

    fn into_input(self) -> RecordInput {
        RecordInput {
            name: self.name,
            clients_in: None,
            data: RecordData::Records { rtype: self.rtype, ttl: self.ttl, rdata: self.rdata },
        }
    }
}
