//! Names that change hands from one snapshot to the next: from others to us, from us to others, or among others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Snapshot;
use super::view::{Authority, View};
use crate::dns::DnsName;
use crate::model::Changes;
use crate::naming::{VpcId, instance_zone, public_instance_zone};

/// Where the reverse zones of a VPC's blocks are.
const REVERSE: &str = "in-addr.arpa";
const REVERSE_IPV6: &str = "ip6.arpa";

impl Snapshot {
    /// The names at and below which `next`, made of this one by `changes`, may decide otherwise for some client.
    ///
    /// What others said about any other name is as good as before.
    pub fn changed_hands(&self, next: &Self, changes: &Changes) -> HashSet<DnsName> {
        let mut names = changes.endpoint_names.clone();
        for vpc in changes.hosts.iter().filter_map(|id| next.model.vpc(*id).or_else(|| self.model.vpc(*id))) {
            names.extend([instance_zone(&vpc.region), public_instance_zone(&vpc.region)]);
            names.extend([REVERSE, REVERSE_IPV6].iter().filter_map(|zone| zone.parse().ok()));
        }
        let (old, new) = (self.views_by_vpc(), next.views_by_vpc());
        for (vpc, view) in &old {
            match new.get(vpc) {
                Some(other) => compare(view, other, &mut names),
                None => add_all(view, &mut names),
            }
        }
        new.iter().filter(|(vpc, _)| !old.contains_key(*vpc)).for_each(|(_, view)| add_all(view, &mut names));
        names
    }

    fn views_by_vpc(&self) -> HashMap<Option<VpcId>, &Arc<View>> {
        self.views.iter().map(|view| (view.vpc.as_ref().map(|vpc| vpc.vpc_id), view)).collect()
    }
}

fn compare(old: &Arc<View>, new: &Arc<View>, names: &mut HashSet<DnsName>) {
    if Arc::ptr_eq(old, new) {
        return;
    }
    if old.vpc != new.vpc {
        // its attributes switch everything on and off
        add_all(old, names);
        add_all(new, names);
        return;
    }
    for (one, other) in [(old, new), (new, old)] {
        let differs = |entry: &&super::ViewEntry| {
            // a name that stays public is decided as if there were no entry
            !matches!(entry.authority, Authority::SecondName(_))
                && other.entry(entry.name.wire()).is_none_or(|twin| !same(&entry.authority, &twin.authority))
        };
        names.extend(one.entries().into_iter().filter(differs).map(|entry| entry.name.clone()));
    }
}

fn add_all(view: &View, names: &mut HashSet<DnsName>) {
    let decided = view.entries().into_iter().filter(|entry| !matches!(entry.authority, Authority::SecondName(_)));
    names.extend(decided.map(|entry| entry.name.clone()));
    names.extend(view.vpc.as_ref().and_then(|_| REVERSE.parse().ok()));
}

/// Whether both decide the same.
fn same(a: &Authority, b: &Authority) -> bool {
    match (a, b) {
        (Authority::HostedZone(a), Authority::HostedZone(b)) => Arc::ptr_eq(a, b) || a == b,
        (Authority::Private(a), Authority::Private(b)) => a == b,
        (Authority::Forward(rule, a), Authority::Forward(other, b)) => {
            (Arc::ptr_eq(rule, other) || rule == other) && same_below(a.as_deref(), b.as_deref())
        }
        (Authority::System(a), Authority::System(b)) => same_below(a.as_deref(), b.as_deref()),
        (Authority::Instances, Authority::Instances) | (Authority::PublicInstances, Authority::PublicInstances) => true,
        _ => false,
    }
}

fn same_below(a: Option<&Authority>, b: Option<&Authority>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}
