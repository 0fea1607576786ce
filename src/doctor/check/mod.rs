//! The checks, one file each: what was found on a host to findings. Pure.

mod certificate;
mod clock;
mod hosts_file;
mod ipv6;
mod leads;
mod nameservers;
mod nsswitch;
mod ports;
mod remedy;
mod search;
mod servers;
mod settings;
#[cfg(test)]
mod testing;

pub(crate) use clock::date;

use super::facts::HostFacts;
use super::finding::Finding;

/// Why settings, zones and certificates do not load, and nothing else.
pub(super) fn of_settings(host: &HostFacts) -> Vec<Finding> {
    settings::check(host)
}

/// All of them, in the order in which they are shown.
pub(super) const ALL: &[fn(&HostFacts) -> Vec<Finding>] = &[
    settings::check,
    ports::check,
    nsswitch::check,
    nameservers::check,
    hosts_file::check,
    search::check,
    certificate::check,
    servers::check,
    ipv6::check,
    clock::check,
];
