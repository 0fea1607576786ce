//! Answers that can be given at once, for packets that were received together.

use std::cell::{Cell, LazyCell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use tokio::time::Instant;

use super::dns64::translation;
use super::forwarded::ForwardedQuestion;
use super::rate::{ReplyLimit, ReplyShare};
use super::reply::{finished, reply_limit};
use super::resources::{Resources, unix_second};
use super::subnet::{ClientSubnet, client_by, keep_room, options_of, said_subnet};
use super::{Incoming, Outcome};
use crate::address::{client_of, prefix_of};
use crate::answer::{Decision, NoTrace, NotPrivate, Reason, Reply, Topic, answer, delay, private_names_line};
use crate::config::Metric;
use crate::dns::{CLIENT_COOKIE, DnsName, HEADER_LEN, NameBuf, Rcode, cookie_in, rcode_of};
use crate::forward::cache::UpstreamSet;
use crate::forward::lookup::cache_time;
use crate::model::{Endpoint, Upstream};
use crate::naming::parse_label;
use crate::observe::{Answered, Silence, Tally};
use crate::snapshot::{Access, Client, Snapshot, ViewClass};
use crate::wire::{Frame, MIN_UDP, Packet, Query, encode, encode_bare, encode_cookie, encode_error, parse};

/// TC in the third octet of a header (RFC 1035 4.1.1).
const TC: u8 = 0x02;
/// Endpoints whose records (about 160 octets each) are more than the caches of a processor hold.
const BEYOND_CPU_CACHES: usize = 100_000;

/// What every packet of one batch sees: one snapshot, one time (invariant I2).
pub struct Batch<'r> {
    resources: &'r Resources,
    snapshot: Guard<Arc<Snapshot>>,
    /// Seconds since 1970.
    now: LazyCell<u32>,
    rotation: Cell<u32>,
    /// The name of the packet that is looked at; its room is cleared once.
    name: RefCell<NameBuf>,
    tally: Tally<'r>,
    /// The cache's time.
    cache_now: u64,
    /// The upstreams that were asked for last, by where the snapshot has them, which stay there as long as this does.
    upstreams: RefCell<Option<(*const Upstream, Arc<UpstreamSet>)>>,
    began: Instant,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if let (replies @ 1.., transport) = self.tally.answered() {
            self.resources.counters.took(transport, Answered::AtOnce, self.began.elapsed(), replies);
        }
    }
}

impl<'r> Batch<'r> {
    /// A batch that begins now.
    pub(super) fn new(resources: &'r Resources, snapshot: Guard<Arc<Snapshot>>) -> Self {
        // a clock costs as much as a good part of an answer: it is read once, and for cookies once more
        let began = Instant::now();
        let uptime = resources.lookup.uptime(began);
        Self {
            resources,
            snapshot,
            now: LazyCell::new(unix_second),
            // where the order of addresses begins; below a microsecond the clock is as good as chance
            rotation: Cell::new(uptime.subsec_nanos()),
            name: RefCell::default(),
            tally: resources.counters.tally(),
            cache_now: cache_time(uptime),
            upstreams: RefCell::default(),
            began,
        }
    }

    /// Time since it began.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// The one snapshot.
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Prefetches the endpoint's cache lines. Pays off in large models only, where the waits for memory of all packets
    /// of a batch overlap, and those of the answers would not.
    pub(super) fn prefetch(&self, packet: &[u8]) {
        let model = &self.snapshot.model;
        if model.endpoint_count() < BEYOND_CPU_CACHES {
            return;
        }
        let length = packet.get(HEADER_LEN).map_or(0, |length| usize::from(*length));
        let label = packet.get(HEADER_LEN + 1..).and_then(|name| name.get(..length));
        if let Some(label) = label.and_then(parse_label) {
            std::hint::black_box(model.touch(label.id));
        }
    }

    /// Answers a packet from the snapshot or the cache, into `out`.
    ///
    /// Does no I/O, takes no lock for names of ours and only that of a reader for cached ones, and allocates nothing
    /// for endpoint names, private names and cached replies as they came.
    pub(super) fn try_resolve(&self, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome {
        self.tally.packet(incoming.transport);
        let mut name = self.name.borrow_mut();
        // looked at where it is: a question is large, and is not moved for each packet
        let mut packet = parse(incoming.packet, &mut name);
        let query = match &mut packet {
            Packet::Query(query) => query,
            Packet::Error(error) => {
                return self.answer_bare(incoming, out, |out| {
                    (error.rcode, encode_error(error, self.resources.limits.udp_payload, out))
                });
            }
            Packet::Cookie(query) => {
                let frame = self.frame(incoming, MIN_UDP, false);
                return self.answer_bare(incoming, out, |out| encode_cookie(query, &frame, out));
            }
            Packet::Silent => {
                self.tally.silent(Silence::Malformed);
                return Outcome::Silent;
            }
        };
        let mut subnet = None;
        let client = if self.resources.ecs_from.is_empty() {
            incoming.client(&self.snapshot)
        } else {
            match self.client_said(incoming, query, out) {
                Ok((client, said)) => {
                    subnet = said;
                    client
                }
                Err(outcome) => return outcome,
            }
        };
        let (query, subnet) = (&*query, subnet.as_ref());
        let class = client.access.class();
        if let Some(limit) = &self.resources.clients
            && incoming.transport.is_datagram()
            && class != ViewClass::Refused
            && let Some(outcome) = self.over_limit(limit, query, incoming, subnet, out)
        {
            return outcome;
        }
        if self.waits(&client, query) {
            return Outcome::Pending;
        }
        let rotation = self.rotation.get();
        self.rotation.set(rotation.wrapping_add(1));
        match answer(&self.snapshot, client, &query.question, rotation, &mut NoTrace) {
            Decision::Reply(reply) if reply.answer.is_none() && self.is_translated(client, incoming, subnet, query) => {
                self.tally.question(class, reply.reason.topic());
                Outcome::Pending
            }
            Decision::Reply(reply) => {
                self.tally.question(class, reply.reason.topic());
                let is_stranger = client.access == Access::Unknown && incoming.transport.is_datagram();
                let share = if is_stranger { self.strangers_share(incoming) } else { ReplyShare::Whole };
                if share == ReplyShare::Silent {
                    self.tally.silent(Silence::Stranger);
                    return Outcome::Silent;
                }
                let limit = reply_limit(query, incoming.transport, &self.resources.limits);
                // a stranger learns nothing but that he is one, and what a forged datagram brings stays short
                let explain = class != ViewClass::Refused || reply.rcode == Rcode::REFUSED && !is_stranger;
                let mut frame = self.frame(incoming, limit, explain);
                frame.aa |= client.access == Access::Delegation;
                let len = self.write(query, reply, &frame, out);
                if share == ReplyShare::Truncated {
                    truncate(out);
                }
                Outcome::Reply(finished(query, incoming.transport, subnet, out, len))
            }
            Decision::Forward(forward) => {
                self.tally.question(class, forward.reason.topic());
                if let Reason::NotPrivate(NotPrivate::SecondName(endpoint, name)) = forward.reason {
                    self.tell_second_name(endpoint, name);
                }
                let is_followed = matches!(forward.reason, Reason::DelegateRule(..));
                if is_followed || self.is_translated(client, incoming, subnet, query) {
                    return Outcome::Pending;
                }
                let set = self.upstreams(forward.upstreams, self.snapshot.validates(&client, forward.upstreams));
                let resources = self.resources;
                let (snapshot, recorder) = (&self.snapshot, None);
                let asked = ForwardedQuestion { resources, snapshot, client, query, incoming, recorder };
                let (lookup, wanted) = (&resources.lookup, asked.lookup_question(&forward, &set));
                let stored = lookup.find(&wanted, self.cache_now);
                let is_hit = stored.is_some();
                let found = stored.or_else(|| {
                    // one of our own that comes in ends a loop
                    let is_probe = lookup.is_own_probe(wanted.name, forward.upstreams);
                    (!is_probe).then(|| lookup.refuse(&wanted, self.cache_now)).flatten()
                });
                let Some(found) = found else { return Outcome::Pending };
                // what is composed out of several sources needs no upstream, but time and memory
                let Some(len) = asked.copy(&forward, &found, out) else { return Outcome::Pending };
                if !is_hit && found.entry.is_unanswered() {
                    self.tally.count(Metric::ForwardFailed);
                } else {
                    self.tally.cached(&found);
                }
                self.tally.relayed(rcode_of(out));
                Outcome::Reply(finished(query, incoming.transport, subnet, out, len))
            }
        }
    }

    /// Writes a reply out of the snapshot, and counts it; returns its length.
    fn write(&self, query: &Query<'_>, reply: Reply<'_>, frame: &Frame<'_>, out: &mut [u8]) -> usize {
        self.tally.reply(reply.rcode);
        if self.snapshot.has_drills()
            && let Some(drill) = reply.drill()
        {
            self.resources.count_drill(drill);
        }
        let len = encode(query, &reply, frame, out);
        reply.release();
        len
    }

    /// Whether the answer is one that a drill delays.
    fn waits(&self, client: &Client<'_>, query: &Query<'_>) -> bool {
        let Some((drill, _)) = delay(&self.snapshot, client, &query.question) else { return false };
        self.tally.question(client.access.class(), Topic::Drill);
        self.resources.count_drill(drill);
        true
    }

    /// Whether what the name lacks may be made of something else it has.
    fn is_translated(
        &self,
        client: Client<'_>,
        incoming: Incoming<'_>,
        subnet: Option<&ClientSubnet>,
        query: &Query<'_>,
    ) -> bool {
        translation(&self.snapshot, client, incoming, subnet, query).is_some()
    }

    fn frame(&self, incoming: Incoming<'_>, limit: usize, explain: bool) -> Frame<'_> {
        Frame {
            limit,
            payload: self.resources.limits.udp_payload,
            aa: self.snapshot.policy.aa,
            explain,
            secret: &self.resources.secret,
            peer: incoming.peer.ip(),
            now: &self.now,
        }
    }

    /// Who a question is from that may come from a forwarder, and the network that it names; an error is what is done with
    /// the question where what it says of that is malformed.
    #[cold]
    fn client_said(
        &self,
        incoming: Incoming<'_>,
        query: &mut Query<'_>,
        out: &mut [u8],
    ) -> Result<(Client<'_>, Option<ClientSubnet>), Outcome> {
        let subnet = said_subnet(self.resources, incoming).map_err(|rcode| {
            let (error, payload) = (query.error(rcode), self.resources.limits.udp_payload);
            self.answer_bare(incoming, out, |out| (rcode, encode_error(&error, payload, out)))
        })?;
        keep_room(query, subnet.as_ref());
        Ok((client_by(&self.snapshot, incoming, subnet.as_ref()), subnet))
    }

    /// How much of its reply a stranger's datagram gets.
    fn strangers_share(&self, incoming: Incoming<'_>) -> ReplyShare {
        self.resources.strangers.take(prefix_of(incoming.peer.ip()), *self.now)
    }

    /// Answers a request that is no question; of a stranger's datagrams not each, as its address may be forged.
    #[cold]
    fn answer_bare(
        &self,
        incoming: Incoming<'_>,
        out: &mut [u8],
        write: impl FnOnce(&mut [u8]) -> (Rcode, usize),
    ) -> Outcome {
        let is_stranger = incoming.transport.is_datagram() && incoming.client(&self.snapshot).access == Access::Unknown;
        let share = if is_stranger { self.strangers_share(incoming) } else { ReplyShare::Whole };
        if share == ReplyShare::Silent {
            self.tally.silent(Silence::Stranger);
            return Outcome::Silent;
        }
        let (rcode, len) = write(out);
        self.tally.reply(rcode);
        if share == ReplyShare::Truncated {
            truncate(out);
        }
        Outcome::Reply(len)
    }

    /// What a client's datagram gets beyond its limit, unless it shows by its cookie that its address is its own; `None`:
    /// the answer.
    fn over_limit(
        &self,
        limit: &ReplyLimit,
        query: &Query<'_>,
        incoming: Incoming<'_>,
        subnet: Option<&ClientSubnet>,
        out: &mut [u8],
    ) -> Option<Outcome> {
        let peer = incoming.peer.ip();
        let share = limit.take(client_of(peer), *self.now);
        if share == ReplyShare::Whole {
            return None;
        }
        let edns = query.edns.unwrap_or_default();
        let is_proven = |cookie| {
            let server = cookie_in(options_of(incoming.packet)).and_then(|cookies| cookies.get(CLIENT_COOKIE..));
            server.is_some_and(|server| self.resources.secret.is_valid(cookie, server, peer, *self.now))
        };
        let (rcode, action) = match (edns.cookie, share) {
            (Some(cookie), _) if is_proven(cookie) => return None,
            // RFC 7873 5.2.3: it learns its cookie by this, and asks again
            (Some(_), _) => (Rcode::BADCOOKIE, "bad_cookie"),
            (None, ReplyShare::Silent) => {
                self.resources.counters.count_values(Metric::RateLimited, &["dropped"]);
                self.tally.silent(Silence::RateLimit);
                return Some(Outcome::Silent);
            }
            (None, _) => (Rcode::NOERROR, "truncated"),
        };
        self.resources.counters.count_values(Metric::RateLimited, &[action]);
        self.tally.reply(rcode);
        let truncated = rcode == Rcode::NOERROR;
        let limit = reply_limit(query, incoming.transport, &self.resources.limits);
        let len = encode_bare(query, rcode, truncated, &self.frame(incoming, limit, false), out);
        Some(Outcome::Reply(finished(query, incoming.transport, subnet, out, len)))
    }

    /// Counts a question for a name that stays public although an SDK asks for it, and logs once what would change that.
    #[cold]
    fn tell_second_name(&self, endpoint: &Endpoint, name: &DnsName) {
        self.resources.counters.count(Metric::SecondNames);
        if self.resources.told.is_new(name) {
            let remedy = private_names_line(&self.snapshot.model, endpoint, name);
            tracing::warn!(%name, endpoint = %endpoint.id, "an SDK asks for a name that stays public; to make it private {remedy}");
        }
    }

    /// The set of these upstreams of the snapshot.
    fn upstreams(&self, upstreams: &Arc<[Upstream]>, validated: bool) -> Arc<UpstreamSet> {
        let mut last = self.upstreams.borrow_mut();
        match &*last {
            Some((at, set)) if std::ptr::eq(*at, upstreams.as_ptr()) && set.validated == validated => Arc::clone(set),
            _ => {
                let set = self.resources.lookup.cache().upstreams(upstreams, validated);
                *last = Some((upstreams.as_ptr(), Arc::clone(&set)));
                set
            }
        }
    }
}

/// Sets TC.
fn truncate(reply: &mut [u8]) {
    if let Some(flags) = reply.get_mut(2) {
        *flags |= TC;
    }
}
