//! Special names, which nobody else is asked for (`naming/special.rs` says which and why).
//!
//! A rule or zone of the client's at the same name or a longer one lies over them, as over the autodefined zones of
//! a VPC, and whatever the operator's `forward_special` lists is a name like any other.

use super::{Ask, AuthoritySection, Data, Reason, Reply, Trace, show};
use crate::dns::{DnsName, Rcode, Rtype};
use crate::naming::{Special, SpecialAnswer, special};

/// SOA of a special zone, as Unbound has it: `localhost. nobody.invalid. 1 3600 1200 604800 10800` (RFC 6303 3).
pub const SOA_DATA: &[u8] = b"\x09localhost\x00\x06nobody\x07invalid\x00\
    \x00\x00\x00\x01\x00\x00\x0e\x10\x00\x00\x04\xb0\x00\x09\x3a\x80\x00\x00\x2a\x30";
/// Its only name server, which nobody can ask.
const LOCALHOST: &[u8] = b"\x09localhost\x00";

/// The special zone that answers for the name; `None` for all other names.
pub(super) fn zone(ask: &Ask<'_, '_>) -> Option<Special> {
    let labels = (0..ask.name.label_count()).rev();
    let zone = special(labels.map(|at| ask.name.label(at).unwrap_or_default()))?;
    // of the apex, DS belongs to the zone above (RFC 4035 3.1.4.1): validators learn from it that there is no chain
    let is_above = ask.rtype == Rtype::DS && zone.labels == ask.name.label_count();
    let forwarded = ask.snapshot.policy.forward_special.covering(ask.name.wire()).is_some();
    (!is_above && !forwarded).then_some(zone)
}

/// What the zone says.
pub(super) fn find<'s, T: Trace>(ask: &Ask<'s, '_>, zone: Special, trace: &mut T) -> Reply<'s> {
    let apex = ask.offset(zone.labels);
    let reason = Reason::Special(zone.rfc);
    trace.step(format_args!("{} is a special zone: {reason}", show(ask.name.suffix(zone.labels))));
    let fixed = |rtype, data| Reply::positive(Data::Fixed(rtype, data), reason);
    match (zone.answer, ask.rtype) {
        (SpecialAnswer::Localhost, Rtype::A | Rtype::ANY) => return fixed(Rtype::A, &[127, 0, 0, 1]),
        (SpecialAnswer::Localhost, Rtype::AAAA) => {
            return fixed(Rtype::AAAA, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        }
        (SpecialAnswer::Loopback4 | SpecialAnswer::Loopback6, Rtype::PTR | Rtype::ANY)
            if between(ask, zone) == loopback(zone) =>
        {
            return fixed(Rtype::PTR, LOCALHOST);
        }
        (_, Rtype::SOA | Rtype::ANY) if apex == 0 => return fixed(Rtype::SOA, SOA_DATA),
        (_, Rtype::NS) if apex == 0 => return fixed(Rtype::NS, LOCALHOST),
        _ => {}
    }
    let exists = match zone.answer {
        SpecialAnswer::Localhost | SpecialAnswer::NoRecords => true,
        // `0.127.in-addr.arpa` too: there is a name below it
        SpecialAnswer::Loopback4 | SpecialAnswer::Loopback6 => loopback(zone).ends_with(between(ask, zone)),
        SpecialAnswer::Nothing => false,
    };
    let rcode = if exists || apex == 0 || is_above_others(ask) { Rcode::NOERROR } else { Rcode::NXDOMAIN };
    Reply { rcode, authority: AuthoritySection::SpecialSoa(apex), ..Reply::empty(reason) }
}

/// What the name of 127.0.0.1 or `::1` has in front of the apex.
fn loopback(zone: Special) -> &'static [u8] {
    if zone.answer == SpecialAnswer::Loopback4 { b"\x011\x010\x010" } else { b"" }
}

/// What the name has in front of the apex.
fn between<'q>(ask: &Ask<'_, 'q>, zone: Special) -> &'q [u8] {
    ask.name.wire().get(..ask.offset(zone.labels)).unwrap_or_default()
}

/// Whether a zone or rule of the client's, or a name that is forwarded after all, is below: to deny the name would
/// deny that too (RFC 8020 2).
fn is_above_others(ask: &Ask<'_, '_>) -> bool {
    let forwarded = &ask.snapshot.policy.forward_special;
    ask.client.view.is_above_entry(ask.name.wire())
        || DnsName::from_wire(ask.name.wire()).is_some_and(|name| forwarded.has_below(&name))
}
