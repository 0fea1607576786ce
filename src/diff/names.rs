//! The names whose answers can differ, out of what is unequal.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::unequal::Unequal;
use super::{DiffClient, client_in};
use crate::answer::instance_name;
use crate::dns::{DnsName, Rtype};
use crate::model::{Endpoint, HostNames, HostedZone, Interface, Model, Node, Vpc};
use crate::naming::VpcId;
use crate::snapshot::{Authority, Snapshot, View};

/// What is to be asked.
type Asked = BTreeSet<(DiffClient, DnsName, Rtype)>;

/// What everybody asks for.
const TYPES: [Rtype; 2] = [Rtype::A, Rtype::AAAA];

/// The own names of endpoints that are unequal.
pub(super) fn endpoint_names(old: &Snapshot, new: &Snapshot, unequal: &Unequal, asked: &mut Asked) {
    for model in [&old.model, &new.model] {
        for name in unequal.endpoints.iter().filter_map(|id| model.endpoint(*id)).flat_map(|e| own_names(model, e)) {
            asked.extend(TYPES.map(|rtype| (DiffClient::Every, name.clone(), rtype)));
        }
    }
}

fn own_names(model: &Model, endpoint: &Endpoint) -> Vec<DnsName> {
    let names = model.endpoint_names(endpoint).into_iter();
    let names = names.flat_map(|names| std::iter::once(names.regional).chain(names.zonal).chain(names.wildcard));
    names.chain(model.service(endpoint).own_names.iter().cloned()).collect()
}

/// The names that clients of one VPC, or of none, may see differently.
pub(super) fn names_of(old: &Snapshot, new: &Snapshot, client: DiffClient, unequal: &Unequal, asked: &mut Asked) {
    let views = [old, new].map(|snapshot| client_in(snapshot, client).map(|client| client.view));
    if unequal.endpoints.is_empty() && are_shared(views) && has_same_hosts([old, new], client) {
        return;
    }
    let mut tops = different_entries(views, unequal);
    if is_different_vpc(views) {
        tops.insert(DnsName::root());
    }
    let mut names: BTreeSet<(DnsName, Rtype)> = BTreeSet::new();
    let mut add = |name: &DnsName| names.extend(TYPES.map(|rtype| (name.clone(), rtype)));
    for top in tops.iter().filter(|top| top.label_count() > 0) {
        add(top);
        top.prepend("*").iter().for_each(&mut add);
    }
    let is_below_top = |name: &DnsName| covers(&tops, name);
    for entry in views.into_iter().flatten().flat_map(View::entries).filter(|entry| is_below_top(&entry.name)) {
        add(&entry.name);
        if is_wildcard(&entry.authority) {
            entry.name.prepend("*").iter().for_each(&mut add);
        }
    }
    for (snapshot, view) in [old, new].into_iter().zip(views) {
        for zone in view.into_iter().flat_map(zones_seen) {
            of_zone(zone, &tops, unequal, &mut names);
        }
        if let (DiffClient::Vpc(vpc), Some(view)) = (client, view) {
            let all = tops.contains(&DnsName::root());
            of_interfaces(old, new, snapshot, (vpc, view.vpc.as_ref()), unequal, all, &mut names);
        }
    }
    different_cuts(views, &mut names);
    follow_aliases(views, unequal, [old, new], &mut names);
    asked.extend(names.into_iter().map(|(name, rtype)| (client, name, rtype)));
}

/// Whether it is one view that both snapshots have.
fn are_shared(views: [Option<&View>; 2]) -> bool {
    matches!(views, [Some(was), Some(is)] if std::ptr::eq(was, is))
}

/// Whether the interfaces of a VPC that are no endpoint's have the same names in both.
fn has_same_hosts([old, new]: [&Snapshot; 2], client: DiffClient) -> bool {
    match client {
        DiffClient::Vpc(vpc) => old.model.host_names(vpc) == new.model.host_names(vpc),
        DiffClient::Every | DiffClient::NoVpc => true,
    }
}

/// Names at which the views do not decide alike.
fn different_entries(views: [Option<&View>; 2], unequal: &Unequal) -> HashSet<DnsName> {
    let mut tops = HashSet::new();
    let [was, is] = views;
    for (these, others) in [(was, is), (is, was)] {
        for entry in these.into_iter().flat_map(View::all) {
            let other = others.and_then(|view| view.entry(entry.name.wire()));
            if !other.is_some_and(|other| unequal.is_same(&entry.authority, &other.authority)) {
                tops.insert(entry.name.clone());
            }
        }
    }
    tops
}

/// The cuts of zones, where DELEGATE rules have others of them followed: a cut stands for all below it.
fn different_cuts(views: [Option<&View>; 2], names: &mut BTreeSet<(DnsName, Rtype)>) {
    let [was, is] = views.map(|view| view.map(View::delegations).unwrap_or_default());
    if was == is {
        return;
    }
    for zone in views.into_iter().flatten().flat_map(zones_seen) {
        let cuts = zone.unsorted_nodes().filter(|(name, node)| **name != zone.name && node.rrset(Rtype::NS).is_some());
        names.extend(cuts.flat_map(|(name, _)| TYPES.map(|rtype| (name.clone(), rtype))));
    }
}

/// Whether the VPC came or went, or has other attributes.
fn is_different_vpc(views: [Option<&View>; 2]) -> bool {
    let attributes = |vpc: &Arc<Vpc>| {
        // the reverse zones follow the blocks
        let blocks = vpc.cidr_blocks.clone();
        (vpc.enable_dns_support, vpc.enable_dns_hostnames, vpc.autodefined_reverse, vpc.region.clone(), blocks)
    };
    let [was, is] = views.map(|view| view.map(|view| view.vpc.as_ref().map(attributes)));
    was != is
}

fn is_wildcard(authority: &Authority) -> bool {
    matches!(authority, Authority::Private(zone) if !zone.wildcard().is_empty())
}

/// Whether one of `tops` is `name` or above it.
fn covers(tops: &HashSet<DnsName>, name: &DnsName) -> bool {
    !tops.is_empty() && std::iter::successors(Some(name.clone()), DnsName::parent).any(|at| tops.contains(&at))
}

fn zones_seen(view: &View) -> impl Iterator<Item = &Arc<HostedZone>> {
    view.all().filter_map(|entry| match entry.authority.without_rules() {
        Some(Authority::HostedZone(zone)) => Some(zone),
        _ => None,
    })
}

/// Names of a zone that are below a difference, or lead to an endpoint that is unequal.
fn of_zone(zone: &HostedZone, tops: &HashSet<DnsName>, unequal: &Unequal, names: &mut BTreeSet<(DnsName, Rtype)>) {
    let is_near = !tops.is_empty();
    for (name, node) in zone.unsorted_nodes() {
        let leads = node.alias.as_ref().is_some_and(|alias| unequal.endpoints.contains(&alias.endpoint));
        if leads || is_near && covers(tops, name) {
            names.extend(types_of(node).map(|rtype| (name.clone(), rtype)));
            // one name stands for all that a DNAME leads elsewhere
            let below = node.rrset(Rtype::DNAME).and_then(|_| name.prepend("any").ok());
            names.extend(below.map(|below| (below, Rtype::A)));
        }
    }
}

fn types_of(node: &Node) -> impl Iterator<Item = Rtype> {
    TYPES.into_iter().chain(node.rrsets.iter().map(|rrset| rrset.rtype))
}

/// Instance names and addresses: those of endpoints that are unequal, of interfaces that are, or `all`.
fn of_interfaces(
    old: &Snapshot,
    new: &Snapshot,
    snapshot: &Snapshot,
    (id, vpc): (VpcId, Option<&Arc<Vpc>>),
    unequal: &Unequal,
    all: bool,
    names: &mut BTreeSet<(DnsName, Rtype)>,
) {
    let Some(vpc) = vpc.filter(|vpc| vpc.has_private_dns()) else { return };
    let mut add = |address: Ipv4Addr| {
        names.extend(instance_name(address, vpc).map(|name| (name, Rtype::A)));
        let [a, b, c, d] = address.octets();
        names.extend(format!("{d}.{c}.{b}.{a}.in-addr.arpa").parse().ok().map(|name| (name, Rtype::PTR)));
    };
    if all {
        let endpoints = snapshot.model.endpoints().filter(|e| e.vpc == id);
        endpoints.flat_map(|e| &e.interfaces).filter_map(Interface::ipv4).for_each(&mut add);
    } else if unequal.vpcs_of_endpoints.contains(&id) {
        let endpoints = unequal.endpoints.iter().filter_map(|id| snapshot.model.endpoint(*id)).filter(|e| e.vpc == id);
        endpoints.flat_map(|e| &e.interfaces).filter_map(Interface::ipv4).for_each(&mut add);
    }
    let hosts = |snapshot: &Snapshot| snapshot.model.host_names(id).cloned();
    if all || hosts(old) != hosts(new) {
        let here = snapshot.model.host_names(id);
        let addresses = here.into_iter().flat_map(HostNames::addresses);
        addresses.for_each(|address| {
            if let IpAddr::V4(address) = address {
                add(address);
            }
        });
        let of_hosts = here.into_iter().flat_map(HostNames::names);
        names.extend(of_hosts.flat_map(|name| TYPES.map(|rtype| (name.clone(), rtype))));
    }
}

/// Names whose CNAME leads to one that may differ, as long as there are more.
fn follow_aliases(
    views: [Option<&View>; 2],
    unequal: &Unequal,
    snapshots: [&Snapshot; 2],
    names: &mut BTreeSet<(DnsName, Rtype)>,
) {
    let zones = views.into_iter().flatten().flat_map(zones_seen);
    let aliases: Vec<(&DnsName, &DnsName)> = zones
        .flat_map(|zone| zone.unsorted_nodes())
        .filter_map(|(name, node)| {
            let target = node.addresses_of.as_ref().or_else(|| node.rrset(Rtype::CNAME)?.target.as_ref());
            Some((name, target?))
        })
        .collect();
    if aliases.is_empty() {
        return;
    }
    let mut tops: HashSet<DnsName> = names.iter().map(|(name, _)| name.clone()).collect();
    for snapshot in snapshots {
        let endpoints = unequal.endpoints.iter().filter_map(|id| snapshot.model.endpoint(*id));
        tops.extend(endpoints.flat_map(|endpoint| own_names(&snapshot.model, endpoint)));
    }
    loop {
        let more: Vec<&DnsName> = aliases
            .iter()
            .filter(|(name, target)| !tops.contains(*name) && covers(&tops, target))
            .map(|(name, _)| *name)
            .collect();
        if more.is_empty() {
            return;
        }
        for name in more {
            tops.insert(name.clone());
            names.extend(TYPES.map(|rtype| (name.clone(), rtype)));
        }
    }
}
