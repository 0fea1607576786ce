//! A hosted zone as records, and what of it records cannot say.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{ExportedRecord, ExportedView, ZoneItem, ZoneItems, name_servers};
use crate::answer::Decision;
use crate::dns::{DnsName, Rtype};
use crate::model::{HostedZone, Node, Rrset};

/// Longer data does not fit into a message beside its owner, the question and a signature (RFC 1035 4.2.2).
const LONGEST_DATA: usize = 64_000;

/// All that the zone has, less its SOA record.
pub(super) fn items<'s>(view: &ExportedView<'s>, zone: &'s HostedZone) -> ZoneItems<'s> {
    let apex = zone.node(zone.name.wire());
    let has_own_ns = apex.is_some_and(|node| node.rrset(Rtype::NS).is_some());
    let servers = (!has_own_ns).then(|| name_servers(&zone.name)).into_iter().flatten();
    let below = |rule: &&&DnsName| rule.is_at_or_below(&zone.name) && **rule != &zone.name;
    let rules: Vec<&DnsName> = view.rules.iter().filter(below).copied().collect();
    let view = view.clone();
    let nodes = zone.unsorted_nodes().flat_map(move |(name, node)| {
        let rule = rules.iter().find(|rule| name.is_at_or_below(rule));
        match rule {
            Some(rule) if *node != Node::default() => {
                let what = format!("a FORWARD rule for {rule} lies over it: have the other server forward that name");
                vec![ZoneItem::LeftOut(Cow::Borrowed(name), what)]
            }
            Some(_) => Vec::new(),
            None => of_node(&view, name, node),
        }
    });
    Box::new(servers.chain(nodes))
}

const IN_ZONES: &str = "has other records for clients in some zones: what clients in no known subnet get is given";

fn of_node<'s>(view: &ExportedView<'s>, name: &'s DnsName, node: &'s Node) -> Vec<ZoneItem<'s>> {
    let mut items = Vec::new();
    let leave_out = |what: String| ZoneItem::LeftOut(Cow::Borrowed(name), what);
    // an alias has addresses of another name, and no others
    let has_alias = node.alias.is_some() || node.addresses_of.is_some();
    if has_alias {
        items.extend(view.addresses(name, |_| true));
    }
    if let Some(target) = &node.addresses_of {
        let is_elsewhere = |rtype| matches!(view.ask(name, rtype), Decision::Forward(_));
        if is_elsewhere(Rtype::A) || is_elsewhere(Rtype::AAAA) {
            items.push(leave_out(format!("has the addresses of {target}, which others are asked for")));
        }
    }
    if !node.in_zones.is_empty() {
        items.push(leave_out(IN_ZONES.to_owned()));
    }
    for rtype in &node.elsewhere {
        items.push(leave_out(format!("{rtype} is an alias, or has a routing policy, that is not known here")));
    }
    let is_shown = |set: &&Rrset| !(has_alias && matches!(set.rtype, Rtype::A | Rtype::AAAA));
    for set in node.rrsets.iter().filter(|set| set.rtype != Rtype::SOA).filter(is_shown) {
        put_records(&mut items, name, set.rtype, set.ttl, set.rdata.iter().map(|data| &**data));
    }
    let mut weighted: BTreeMap<Rtype, Vec<&Rrset>> = BTreeMap::new();
    for (_, set) in &node.weighted {
        weighted.entry(set.rtype).or_default().push(set);
    }
    for (rtype, sets) in weighted {
        // a name has one CNAME (RFC 2181 10.1), and the records of a set one TTL (RFC 2181 5.2)
        let (sets, what) = if rtype == Rtype::CNAME {
            (sets.get(..1).unwrap_or_default(), "the first of them is given")
        } else {
            (sets.as_slice(), "all of them are given at once")
        };
        items.push(leave_out(format!("{rtype} has record sets with weights: {what}, without the weights")));
        let ttl = sets.iter().map(|set| set.ttl).min().unwrap_or_default();
        let mut data: Vec<&[u8]> = sets.iter().flat_map(|set| &set.rdata).map(|data| &**data).collect();
        data.sort_unstable();
        data.dedup();
        put_records(&mut items, name, rtype, ttl, data);
    }
    items
}

fn put_records<'s>(
    items: &mut Vec<ZoneItem<'s>>,
    owner: &'s DnsName,
    rtype: Rtype,
    ttl: u32,
    all: impl IntoIterator<Item = &'s [u8]>,
) {
    for data in all {
        items.push(if data.len() > LONGEST_DATA {
            ZoneItem::LeftOut(Cow::Borrowed(owner), format!("{rtype} has a record of {} octets", data.len()))
        } else {
            let (owner, data) = (Cow::Borrowed(owner), Cow::Borrowed(data));
            ZoneItem::Record(ExportedRecord { owner, rtype, ttl, data })
        });
    }
}
