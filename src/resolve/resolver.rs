//! The resolver that a server uses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::batch::Batch;
use super::begun::{self, BegunQuestion, UnfinishedQuestion};
use super::chase;
use super::live::ask_live;
use super::logged;
use super::rate::{ReplyLimit, STRANGERS_PER_SECOND};
use super::reply::{failure, finished_vec};
use super::resources::Resources;
use super::subnet::{is_forwarder, read_query};
use super::{Incoming, Outcome, Resolve};
use crate::budget::Budget;
use crate::config::{Limits, Metric};
use crate::dns::{InfoCode, NameBuf};
use crate::forward::cache::Cache;
use crate::forward::validate::{Validating, Validation};
use crate::forward::{Failure, FirstQuery, Forwarder, Heard, UpstreamLookup};
use crate::naming::VpcId;
use crate::observe::{Counters, LiveAnswer, LiveQuestion, QueryLog, ToldNames};
use crate::served::ServedSnapshot;
use crate::snapshot::{Access, Snapshot};
use crate::wire::CookieSecret;

/// Answers from the newest snapshot, and from upstreams and their cache.
pub struct Resolver {
    snapshots: ServedSnapshot,
    resources: Resources,
}

impl Resolver {
    /// Answers from whatever `snapshots` holds at the time, and counts in `counters`.
    pub fn new(snapshots: ServedSnapshot, limits: Limits, secret: CookieSecret, counters: Arc<Counters>) -> Self {
        let forwarder = Forwarder::new(&limits);
        Self::with_forwarder(snapshots, limits, secret, counters, forwarder, Validation::default())
    }

    /// The same, asking upstreams through `forwarder`; `validation`: how their replies are validated where that is wanted.
    pub fn with_forwarder(
        snapshots: ServedSnapshot,
        limits: Limits,
        secret: CookieSecret,
        counters: Arc<Counters>,
        forwarder: Forwarder,
        validation: Validation,
    ) -> Self {
        let cache = Arc::new(Cache::new(&limits));
        let upstreams = Arc::clone(&snapshots.load().policy.upstreams);
        let upstream = Validating::new(forwarder, validation, &upstreams, &cache, &limits);
        let lookup = Arc::new(UpstreamLookup::new(upstream, cache, &limits));
        let (strangers, told) = (ReplyLimit::new(STRANGERS_PER_SECOND), ToldNames::default());
        let (clients, ecs_from, query_log) = (None, Vec::new(), None);
        Self {
            snapshots,
            resources: Resources { lookup, limits, secret, counters, told, strangers, clients, ecs_from, query_log },
        }
    }

    /// The same with a limit of replies over UDP to one client in one second; beyond it, a client has to show by a cookie
    /// that its address is its own (RFC 7873 5.2.3).
    #[must_use]
    pub fn limiting(mut self, per_second: Option<u32>) -> Self {
        self.resources.clients = per_second.map(ReplyLimit::new);
        self
    }

    /// The same, believing what these networks say of whom they ask for (EDNS Client Subnet, RFC 7871).
    #[must_use]
    pub fn believing(mut self, forwarders: Vec<IpNet>) -> Self {
        self.resources.ecs_from = forwarders;
        self
    }

    /// The same, telling a query log of answers.
    #[must_use]
    pub fn logging(mut self, log: Option<QueryLog>) -> Self {
        self.resources.query_log = log;
        self
    }

    /// Upstreams and their cache.
    pub fn lookup(&self) -> &Arc<UpstreamLookup> {
        &self.resources.lookup
    }

    /// What a client is answered now, and what happened until then. No packet is counted or logged, but what others are asked
    /// is asked as for any client, and stored.
    pub async fn ask_live(&self, snapshot: &Snapshot, question: &LiveQuestion) -> LiveAnswer {
        ask_live(&self.resources, snapshot, question).await
    }

    /// For a packet of this batch that is [`Outcome::Pending`]: the aliases of ours that lead to a name which others answer, as
    /// a reply without its end, for a caller that asks them itself. `None`: the question itself is for others.
    pub fn aliases(&self, batch: &Batch<'_>, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        chase::aliases(&self.resources, batch.snapshot(), incoming)
    }

    /// SERVFAIL for want of room.
    fn turned_away(&self, incoming: Incoming<'_>, why: &str) -> Option<Vec<u8>> {
        let mut name = NameBuf::default();
        let (query, subnet) = read_query(&self.resources, incoming, &mut name)?;
        self.resources.counters.count(Metric::Overloaded);
        let reply = failure(&query, &self.resources, incoming, InfoCode::OTHER, why);
        let reply = finished_vec(&query, incoming.transport, subnet.as_ref(), reply);
        logged::log(&self.resources, &self.snapshots.load(), incoming, &reply, Duration::default);
        Some(reply)
    }
}

impl Resolve for Resolver {
    type Batch<'r> = Batch<'r>;
    type Begun = BegunQuestion;
    type Unfinished = Box<UnfinishedQuestion>;

    fn batch(&self) -> Batch<'_> {
        Batch::new(&self.resources, self.snapshots.load())
    }

    fn prefetch(&self, batch: &Batch<'_>, packet: &[u8]) {
        batch.prefetch(packet);
    }

    fn try_resolve(&self, batch: &Batch<'_>, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome {
        let outcome = batch.try_resolve(incoming, out);
        if let Outcome::Reply(len) = outcome {
            let reply = out.get(..len).unwrap_or_default();
            logged::log(&self.resources, batch.snapshot(), incoming, reply, || batch.age());
        }
        outcome
    }

    async fn resolve(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        // one snapshot for all of the answer (invariant I2), whatever is published while an upstream is asked
        let (snapshot, waits) = (self.snapshots.load_full(), self.resources.counters.wait(incoming.transport));
        let reply = chase::resolve(&self.resources, &snapshot, incoming).await?;
        logged::log(&self.resources, &snapshot, incoming, &reply, || waits.age());
        Some(reply)
    }

    fn begin(&self, batch: &Batch<'_>, incoming: Incoming<'_>) -> Option<(BegunQuestion, FirstQuery)> {
        begun::begin(&self.resources, batch.snapshot(), incoming)
    }

    fn hear(
        &self,
        begun: BegunQuestion,
        heard: Result<Heard, Failure>,
        out: &mut [u8],
    ) -> Result<Option<usize>, Box<UnfinishedQuestion>> {
        begun.hear(&self.resources, heard, out)
    }

    async fn resume(&self, unfinished: Box<UnfinishedQuestion>) -> Option<Vec<u8>> {
        unfinished.resume(&self.resources).await
    }

    fn overloaded(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        self.turned_away(incoming, "too many questions wait for an upstream")
    }

    fn out_of_room(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        self.turned_away(incoming, "the reply had to make room for others, as memory is short")
    }

    fn budget(&self) -> Budget {
        self.resources.lookup.forwarder().budget().clone()
    }

    fn is_stranger(&self, local: SocketAddr, peer: IpAddr) -> bool {
        self.snapshots.load().client(local, peer).access == Access::Unknown && !is_forwarder(&self.resources, peer)
    }

    fn has_vpc(&self, vpc: VpcId) -> bool {
        self.snapshots.load().model.vpc(vpc).is_some()
    }
}
