//! Outbound resolver endpoints: the addresses from which the questions of rules leave.
//!
//! "The IP addresses that you specify are the ones from which VPC Resolver forwards DNS queries" (Route 53 guide, "Values that
//! you specify when you create or edit outbound endpoints"). Several sources may each tell some addresses of one endpoint:
//! the output of AWS those in AWS, and the operator those of this host.

use std::net::IpAddr;
use std::sync::Arc;

use crate::problem::At;

/// An outbound resolver endpoint, as one source tells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutboundEndpoint {
    /// What rules call it: `rslvr-out-...`, or a name.
    pub id: Arc<str>,
    /// Its addresses, sorted, each once.
    pub addresses: Arc<[IpAddr]>,
}

impl OutboundEndpoint {
    pub(super) fn new(id: &At<Arc<str>>, addresses: &[At<IpAddr>]) -> Self {
        Self { id: Arc::clone(&id.value), addresses: distinct(addresses.iter().map(|at| at.value)) }
    }

    /// The endpoint that a rule calls `id`, with the addresses that all of `told` have of it; none where it is not known.
    pub(super) fn of_all(id: &Arc<str>, told: &[Self]) -> Self {
        let its = told.iter().filter(|endpoint| endpoint.id == *id);
        Self { id: Arc::clone(id), addresses: distinct(its.flat_map(|endpoint| endpoint.addresses.iter().copied())) }
    }
}

fn distinct(addresses: impl Iterator<Item = IpAddr>) -> Arc<[IpAddr]> {
    let mut addresses: Vec<IpAddr> = addresses.collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.into()
}
