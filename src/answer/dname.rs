//! Names below a DNAME of a hosted zone: each is an alias, of which the DNAME says where it leads (RFC 6672).

use std::borrow::Cow;

use super::{AliasFound, Ask, Data, Found, Part, Reason, Reply, Trace};
use crate::dns::{DnsName, MAX_NAME_LEN, Rcode, Rtype};
use crate::model::HostedZone;

/// What the DNAME at the last `labels` labels of the name makes of it; `None`: there is none.
pub(super) fn find<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    zone: &'s HostedZone,
    labels: usize,
    trace: &mut T,
) -> Option<Found<'s>> {
    let owner = ask.name.suffix(labels);
    let dname = zone.node(owner)?.rrset(Rtype::DNAME)?;
    let target = dname.target.as_ref()?;
    let owner = zone.name_of(owner)?;
    trace.step(format_args!("DNAME at {owner} to {target}"));
    let part = Part { owner: Some(Cow::Borrowed(owner)), data: Data::Rrset(dname, 0) };
    let above = ask.name.wire().get(..ask.offset(labels))?;
    if above.len() + target.wire().len() > MAX_NAME_LEN {
        // RFC 6672 2.2: the DNAME record is in the answer, and no CNAME
        let reason = Reason::NameTooLong(zone);
        trace.step(format_args!("{reason}"));
        let reply = Reply { rcode: Rcode::YXDOMAIN, ..Reply::empty(reason) };
        return Some(Found::Reply(reply.behind(vec![part], None)));
    }
    let made = DnsName::from_wire(&[above, target.wire()].concat())?;
    // "the TTL of the synthesized CNAME ... SHOULD be ... equal to the TTL of the corresponding DNAME" (RFC 6672 3.1)
    let cname = Data::Synthesized(made.clone(), dname.ttl);
    let reason = Reason::HostedZone(zone);
    if ask.rtype == Rtype::CNAME {
        // who asks for the alias has it (RFC 1034 3.6.2)
        return Some(Found::Reply(Reply::positive(cname, reason).behind(vec![part], None)));
    }
    let cname = Part { owner: None, data: cname };
    Some(Found::Alias(AliasFound { dname: Some(part), part: cname, target: Cow::Owned(made), reason }))
}
