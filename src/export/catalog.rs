//! The list of a view's zones as a zone: a catalog zone (RFC 9432), by which secondaries learn which zones there are.

use std::borrow::Cow;
use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::{ExportedRecord, ExportedView, ZoneItem, ZoneItems};
use crate::answer::TTL;
use crate::dns::{DnsName, Rtype};

/// Its name, the same in every view: nobody can ask for it by accident, as `invalid` does not exist (RFC 6761 6.4).
pub const CATALOG: &str = "catalog.vpcedns.invalid";

/// Its name.
pub(super) fn apex() -> DnsName {
    CATALOG.parse().unwrap_or_else(|_| DnsName::root())
}

/// "The catalog zone MUST have NS 'invalid.'", the schema version 2, and one PTR for each member (RFC 9432 4.1 to 4.3).
pub(super) fn items<'s>(view: &ExportedView<'s>) -> ZoneItems<'s> {
    let apex = apex();
    let record = |owner: DnsName, rtype, data: Vec<u8>| {
        ZoneItem::Record(ExportedRecord { owner: Cow::Owned(owner), rtype, ttl: TTL, data: Cow::Owned(data) })
    };
    let fixed = [
        Some(record(apex.clone(), Rtype::NS, b"\x07invalid\x00".to_vec())),
        apex.prepend("version").ok().map(|version| record(version, Rtype::TXT, b"\x012".to_vec())),
    ];
    let own = apex.clone();
    let members = view.zones().map(|zone| zone.apex).filter(move |zone| *zone != own);
    let members = members.filter_map(move |zone| {
        // a member keeps its label as long as it is there (RFC 9432 4.2), whatever program runs here
        let mut hasher = SipHasher24::new();
        hasher.write(zone.wire());
        let label = format!("{:016x}.zones", hasher.finish());
        let owner = format!("{label}.{apex}").parse().ok()?;
        Some(record(owner, Rtype::PTR, zone.wire().to_vec()))
    });
    Box::new(fixed.into_iter().flatten().chain(members))
}
