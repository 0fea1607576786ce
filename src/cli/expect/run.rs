//! Every assertion to its outcomes, several at a time.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ipnet::IpNet;

use crate::dns::{DnsName, Rtype};
use crate::expect::{
    AssertedClient, Assertion, Observation, ServerUnderTest, Verdict, judge, observe_snapshot, resolve_name,
};
use crate::explain::Asker;
use crate::naming::VpcId;
use crate::snapshot::Snapshot;

/// Questions that a server is asked at one time: it is tested, not loaded.
const AT_ONCE: usize = 8;
/// Assertions that a thread takes at one time.
const CHUNK: usize = 64;
/// Addresses of a block that are tried for one that is the VPC's client, from the fifth on, and then from the last but one:
/// AWS keeps the first four and the last.
const CANDIDATES: std::ops::Range<usize> = 4..36;

/// What is tested.
pub(super) struct Subject<'s> {
    /// The zones, for offline answers and for what is known about VPCs.
    pub(super) snapshot: Option<&'s Snapshot>,
    /// The server; `None`: the rules alone.
    pub(super) server: Option<&'s ServerUnderTest>,
}

/// How an assertion came out for one client.
pub(super) struct AssertionOutcome<'a> {
    pub(super) assertion: &'a Assertion,
    /// The client, where the assertion says `every vpc`.
    pub(super) vpc: Option<VpcId>,
    pub(super) verdict: Verdict,
}

impl AssertionOutcome<'_> {
    /// Whether it makes the run fail.
    pub(super) fn is_failure(&self, strict: bool) -> bool {
        match self.verdict {
            Verdict::Pass => false,
            Verdict::Fail { .. } => true,
            Verdict::Skip(_) => strict,
        }
    }
}

/// The outcomes of all assertions, in their order.
pub(super) fn run_all<'a>(assertions: &'a [Assertion], subject: &Subject<'_>) -> Vec<AssertionOutcome<'a>> {
    let label = format!("expect-{:08x}", rand::random::<u32>());
    let chunks: Vec<&[Assertion]> = assertions.chunks(CHUNK).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = match subject.server {
        Some(_) => AT_ONCE,
        None => thread::available_parallelism().map_or(1, usize::from),
    };
    thread::scope(|scope| {
        for _ in 0..threads.min(chunks.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(chunk) = chunks.get(at) else { return };
                    let outcomes: Vec<AssertionOutcome<'a>> =
                        chunk.iter().flat_map(|one| outcomes(one, subject, &label)).collect();
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, outcomes));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().flat_map(|(_, outcomes)| outcomes).collect()
}

fn outcomes<'a>(assertion: &'a Assertion, subject: &Subject<'_>, label: &str) -> Vec<AssertionOutcome<'a>> {
    let one = |vpc, verdict| vec![AssertionOutcome { assertion, vpc, verdict }];
    let name: DnsName = match resolve_name(&assertion.name, label).parse() {
        Ok(name) => name,
        Err(error) => return one(None, Verdict::Skip(format!("a made-up label does not fit: {error}"))),
    };
    match assertion.from {
        AssertedClient::Address(address) => one(None, verdict(assertion, &name, Some(address), None, subject)),
        AssertedClient::Vpc(vpc) => one(None, verdict(assertion, &name, None, Some(vpc), subject)),
        AssertedClient::EveryVpc => match subject.snapshot {
            None => one(None, Verdict::Skip("which VPCs there are is not known: give --zones".to_owned())),
            Some(snapshot) => {
                let vpcs = snapshot.model.vpcs().into_iter().map(|vpc| vpc.vpc_id);
                vpcs.flat_map(|vpc| one(Some(vpc), verdict(assertion, &name, None, Some(vpc), subject))).collect()
            }
        },
    }
}

fn verdict(
    assertion: &Assertion,
    name: &DnsName,
    address: Option<IpAddr>,
    vpc: Option<VpcId>,
    subject: &Subject<'_>,
) -> Verdict {
    if let (Some(vpc), Some(snapshot)) = (vpc, subject.snapshot)
        && snapshot.model.vpc(vpc).is_none()
    {
        return Verdict::Skip(format!("the zones have no {vpc}"));
    }
    match seen(assertion.rtype, name, address, vpc, subject) {
        Ok(seen) => judge(&assertion.expected, &seen, &blocks(subject, address, vpc)),
        Err(verdict) => verdict,
    }
}

fn seen(
    rtype: Rtype,
    name: &DnsName,
    address: Option<IpAddr>,
    vpc: Option<VpcId>,
    subject: &Subject<'_>,
) -> Result<Observation, Verdict> {
    if let Some(server) = subject.server {
        let address = address.or_else(|| client_of(subject.snapshot?, vpc?));
        return server.observe(address, vpc, name, rtype).map_err(|error| match error {
            crate::expect::OnlineError::NoWay(why) => Verdict::Skip(why),
            crate::expect::OnlineError::NoAnswer(difference) => {
                Verdict::Fail { difference, rule: "the server gave no answer".to_owned(), steps: Vec::new() }
            }
        });
    }
    let asker = vpc.map(Asker::Vpc).or(address.map(Asker::address));
    match (subject.snapshot, asker) {
        (Some(snapshot), Some(asker)) => Ok(observe_snapshot(snapshot, asker, name, rtype)),
        _ => Err(Verdict::Skip("there are no zones: give --zones".to_owned())),
    }
}

/// An address whose owner is a client of `vpc` wherever it asks, without DNS64 and zone affinity where there is such a
/// one: what any client of the VPC is told.
fn client_of(snapshot: &Snapshot, vpc: VpcId) -> Option<IpAddr> {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let is_client = |address: &IpAddr| {
        snapshot.client(anywhere, *address).view.vpc.as_ref().is_some_and(|known| known.vpc_id == vpc)
    };
    let blocks = &snapshot.model.vpc(vpc)?.cidr_blocks;
    // subnets are cut from the front: the last ones are in none, where there are any
    let of_block = |block: &IpNet| {
        let hosts = || block.hosts();
        hosts().take(CANDIDATES.end).skip(CANDIDATES.start).chain(hosts().rev().take(CANDIDATES.len()).skip(1))
    };
    let candidates = || blocks.iter().flat_map(of_block).filter(is_client);
    let is_plain = |address: &IpAddr| {
        !snapshot.model.is_dns64(vpc, *address) && snapshot.client(anywhere, *address).zone(snapshot).is_none()
    };
    candidates().find(is_plain).or_else(|| candidates().next())
}

/// The blocks of the VPC whose client is meant.
fn blocks(subject: &Subject<'_>, address: Option<IpAddr>, vpc: Option<VpcId>) -> Vec<IpNet> {
    let Some(snapshot) = subject.snapshot else { return Vec::new() };
    let by_address =
        || address.and_then(|address| snapshot.client(SocketAddr::from(([127, 0, 0, 1], 0)), address).view.vpc.clone());
    let vpc = vpc.and_then(|vpc| snapshot.model.vpc(vpc).cloned()).or_else(by_address);
    vpc.map(|vpc| vpc.cidr_blocks.clone()).unwrap_or_default()
}
