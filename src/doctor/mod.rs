//! `vpcedns doctor`: what keeps this configuration from working on this host, and what to do about it.
//!
//! ```text
//! look/         reads the host: files, sockets, replies of servers     -> HostFacts
//! facts         what was found, as plain data
//!   resolv_conf, nsswitch, reply    what single files and replies say
//! check/        one file a check, each a pure function                 HostFacts -> Findings
//! finding       ok, warning or problem; the value found; the remedy
//! ```
//!
//! Reading is apart from judging, so that every check is tested on hosts that are made up. Changes nothing on the host: a
//! port is tried by opening it for a moment.

mod check;
mod facts;
mod finding;
mod look;
mod nsswitch;
mod reply;
mod resolv_conf;

pub(crate) use check::date;
pub use facts::{
    AskOutcome, CertificateFacts, ClientFacts, HostFacts, NameserverFacts, OpenSocket, PortFacts, ServerFacts,
    SocketHolder, StubUpstream, WantedPort,
};
pub use finding::{Finding, FindingLevel};
pub use look::{DoctorSubject, LookedAt, look};
pub use nsswitch::{HostsService, Nsswitch};
pub use reply::ReplyFacts;
pub use resolv_conf::{ResolvConf, ResolvConfWriter};

use crate::problem::Problem;

/// What there is to say without settings: why they cannot be read.
pub fn diagnose_unset(problems: Vec<Problem>) -> Vec<Finding> {
    check::of_settings(&HostFacts { problems, ..HostFacts::default() })
}

/// What all checks say, in the order of the way that a question takes.
pub fn diagnose(host: &HostFacts) -> Vec<Finding> {
    check::ALL.iter().flat_map(|check| check(host)).collect()
}
