//! What the record sets of one zone keep among themselves, whoever writes them.

use std::collections::HashMap;

use crate::dns::{DnsName, Rtype};
use crate::problem::Place;

use super::reader::Reader;

/// Seconds for which a record may be kept when it does not say: Route 53's console offers the same.
pub(super) const DEFAULT_TTL: u32 = 300;

/// The types at each owner of a zone so far, with the place of the record that brought them.
pub(super) struct Owners<'z> {
    zone: &'z DnsName,
    types: HashMap<DnsName, Vec<(Rtype, Place)>>,
}

impl<'z> Owners<'z> {
    pub(super) fn new(zone: &'z DnsName) -> Self {
        Self { zone, types: HashMap::new() }
    }

    /// Takes note of record sets, or says why they cannot be.
    ///
    /// RFC 2181 5.2: the records of one type are one set; 10.1 and RFC 1034 3.6.2: beside a CNAME there is nothing.
    pub(super) fn add(&mut self, reader: &mut Reader<'_>, place: &Place, name: &DnsName, types: &[Rtype]) {
        let zone = self.zone;
        if name == zone && types.contains(&Rtype::CNAME) {
            let what = format!("the apex of {zone} cannot have a CNAME record of its own");
            let hint = "a zone has SOA and NS at its apex; use an alias or addresses there";
            reader.error_at(place.clone(), what, hint);
            return;
        }
        if types.contains(&Rtype::DNAME) && name.is_wildcard() {
            let hint = "name the owner: what a wildcard's DNAME means is not defined (RFC 4592 4.4)";
            reader.error_at(place.clone(), format!("{name} is a wildcard and cannot have a DNAME"), hint);
            return;
        }
        let there = self.types.entry(name.clone()).or_default();
        for rtype in types {
            if let Some((_, first)) = there.iter().find(|(other, _)| other == rtype) {
                let what = format!("{name} {rtype} is given twice");
                reader.error_at(
                    place.clone(),
                    what,
                    format!("the first is at {first}: put all values into one record"),
                );
                return;
            }
            let clash = there.iter().find(|(other, _)| (*other == Rtype::CNAME) != (*rtype == Rtype::CNAME));
            if let Some((_, other)) = clash {
                let hint = format!("a CNAME stands alone (RFC 1034 3.6.2); the other record is at {other}");
                reader.error_at(place.clone(), format!("{name} has a CNAME and other data"), hint);
                return;
            }
        }
        there.extend(types.iter().map(|rtype| (*rtype, place.clone())));
    }

    /// Says what a DNAME keeps from being: names below it (RFC 6672 2.4), and a cut at its own (2.3). To be called when all
    /// record sets have been added.
    pub(super) fn check_dnames(&self, reader: &mut Reader<'_>) {
        let place_of = |name: &DnsName, rtype| {
            let types = self.types.get(name)?;
            types.iter().find(|(other, _)| *other == rtype).map(|(_, place)| place)
        };
        if !self.types.values().flatten().any(|(rtype, _)| *rtype == Rtype::DNAME) {
            return;
        }
        for (name, types) in &self.types {
            if let (Some(place), Some(_)) = (place_of(name, Rtype::NS), place_of(name, Rtype::DNAME))
                && name != self.zone
            {
                let what = format!("{name} has NS and DNAME records (RFC 6672 2.3)");
                reader.error_at(place.clone(), what, "delegate what is below the name, or redirect it");
            }
            let above = std::iter::successors(name.parent(), DnsName::parent);
            let mut above = above.take_while(|above| above.is_at_or_below(self.zone));
            let dname = above.find_map(|above| place_of(&above, Rtype::DNAME).map(|place| (above, place)));
            if let (Some((above, dname)), Some((_, place))) = (dname, types.first()) {
                let what = format!("{name} is below {above}, which has a DNAME (RFC 6672 2.4)");
                let hint = format!("leave it out, or the DNAME at {dname}: every name below one leads elsewhere");
                reader.error_at(place.clone(), what, hint);
            }
        }
    }
}

/// How the data of a type is written.
pub(super) fn hint_for(rtype: Rtype) -> &'static str {
    match rtype.number() {
        1 => "an IPv4 address, such as 10.0.9.9",
        28 => "an IPv6 address, such as fd00::9",
        2 | 5 | 12 | 39 => "a domain name, such as db.corp.example",
        6 => "primary server, mailbox, serial, refresh, retry, expire and minimum",
        15 => "a preference and a domain name, such as 10 mail.corp.example",
        16 | 99 => "strings between quotation marks, such as \"v=spf1 -all\"",
        33 => "priority, weight, port and domain name, such as 0 0 22 host.corp.example",
        35 => {
            "order, preference, flags, service, regexp and replacement, such as 100 50 \"s\" \"http\" \"\" _http._tcp.corp.example"
        }
        43 => "key tag, algorithm, digest type and digest, such as 60485 13 2 3EF0...",
        44 => "algorithm, type and fingerprint, such as 4 2 123456789ABC...",
        52 | 53 => "usage, selector, matching type and data, such as 3 1 1 0D6F...",
        64 | 65 => "priority, target and parameters, such as 1 . alpn=h2,h3 port=443",
        257 => "flags, tag and value, such as 0 issue \"ca.example\"",
        _ => "",
    }
}
