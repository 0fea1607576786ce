//! Delegations of private zones that a DELEGATE rule has followed: the name servers of the cut are asked, and those to which they
//! refer (RFC 1034 5.3.3), as Route 53 Resolver does through an outbound endpoint.
//!
//! Addresses of name servers come from the zone that delegates (glue), from the referral below the name servers' own cut, from
//! what this server answers the client, or else from the resolvers that the client's other questions go to. Nothing of it is
//! cached: two VPCs may have one name delegated to different servers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::forwarded::ForwardedQuestion;
use crate::answer::{Question, delegation, glue};
use crate::dns::{
    Class, DnsName, ExtendedError, HeaderFlags, InfoCode, Message, NameBuf, Rcode, Record, Rtype, Section, address_of,
    read_name,
};
use crate::forward::Outbound;
use crate::forward::cache::{Age, CacheHit, CachedReply};
use crate::forward::recorder::{LiveEvent, record};
use crate::model::{HostedZone, Rule, Upstream};

/// Most referrals that are followed for one question.
const MAX_REFERRALS: usize = 8;
/// Most questions that are asked for one, those for addresses of name servers among them.
const MAX_QUESTIONS: usize = 16;
/// Most name servers of one cut that are asked, each at one address or two.
const MAX_SERVERS: usize = 4;
/// The port of name servers (RFC 1035 4.2).
const PORT: u16 = 53;

/// The name servers of a cut, with the addresses that were told with them.
struct Cut {
    apex: DnsName,
    servers: Vec<(DnsName, Vec<IpAddr>)>,
}

impl ForwardedQuestion<'_> {
    /// What the name servers to which `zone` delegates `name` say of it, asked as `rule` says; SERVFAIL with the reason where they say nothing.
    pub(super) async fn delegated(&self, rule: &Rule, zone: &HostedZone, name: &DnsName) -> CacheHit {
        let question = [name.wire(), &self.query.question.rtype.octets(), &Class::IN.octets()].concat();
        let cache = self.resources.lookup.cache();
        let now = self.resources.lookup.now();
        let walked = Walk { asked: self, rule, questions: 0, began: Instant::now() }.walk(zone, name).await;
        let entry = walked.and_then(|reply| {
            CachedReply::new(&reply, &question, cache.times(), now).map_err(|_| "their reply is malformed".to_owned())
        });
        let entry = entry.unwrap_or_else(|why| {
            let text = format!("{name} is delegated by hosted zone {}: {why}", zone.name);
            CachedReply::unanswered(
                &question,
                ExtendedError { code: InfoCode::NO_REACHABLE_AUTHORITY, text: &text },
                now,
            )
        });
        CacheHit { entry: Arc::new(entry), age: Age::Fresh(0), refresh: false }
    }
}

/// One question on its way down.
struct Walk<'a, 'q> {
    asked: &'a ForwardedQuestion<'q>,
    rule: &'a Rule,
    questions: usize,
    began: Instant,
}

impl Walk<'_, '_> {
    /// The reply of the servers that have the name, or why there is none.
    async fn walk(&mut self, zone: &HostedZone, name: &DnsName) -> Result<Vec<u8>, String> {
        let mut cut = cut_of(zone, name).ok_or("the delegation has gone")?;
        for _ in 0..=MAX_REFERRALS {
            record(self.asked.recorder, || LiveEvent::Referral {
                zone: cut.apex.to_string(),
                servers: cut.servers.iter().map(|(name, _)| name.to_string()).collect(),
            });
            let addresses = self.addresses(&cut).await;
            if addresses.is_empty() {
                return Err(format!("no address of the name servers of {} is known", cut.apex));
            }
            let reply = self.ask(name, &addresses).await?;
            let message = Message::parse(&reply).map_err(|_| "a reply is malformed")?;
            match message.rcode() {
                Rcode::NOERROR => {}
                Rcode::NXDOMAIN => return Ok(reply),
                rcode => return Err(format!("the name servers of {} answer {rcode}", cut.apex)),
            }
            let is_answer = message.records().any(|record| record.section == Section::Answer);
            if is_answer || message.flags().has(HeaderFlags::AA) {
                return Ok(reply);
            }
            let next = referral(&message, &cut.apex, name);
            cut = next.ok_or_else(|| format!("the name servers of {} do not know it", cut.apex))?;
        }
        Err(format!("more than {MAX_REFERRALS} referrals"))
    }

    async fn ask(&mut self, name: &DnsName, servers: &[Upstream]) -> Result<Vec<u8>, String> {
        self.count()?;
        let query = self.asked.query;
        let question = Outbound {
            recursion_desired: false,
            checking_disabled: query.checking_disabled,
            dnssec_ok: query.edns.is_some_and(|edns| edns.dnssec_ok),
            edns: true,
            recorder: self.asked.recorder,
            ..Outbound::plain(name.wire(), query.question.rtype)
        };
        self.asked.resources.lookup.forwarder().ask(&question, servers).await.map_err(|error| error.to_string())
    }

    /// Counts a question, unless there were too many or they took too long.
    fn count(&mut self) -> Result<(), String> {
        self.questions += 1;
        if self.questions > MAX_QUESTIONS {
            return Err(format!("it takes more than {MAX_QUESTIONS} questions"));
        }
        if self.began.elapsed() >= self.asked.resources.limits.forward_deadline {
            return Err("its name servers take too long".to_owned());
        }
        Ok(())
    }

    /// Addresses of a cut's name servers: those that are told with it, else what is known of the first that has any.
    async fn addresses(&mut self, cut: &Cut) -> Vec<Upstream> {
        let told = cut.servers.iter().take(MAX_SERVERS).flat_map(|(_, addresses)| addresses);
        let mut all: Vec<IpAddr> = told.copied().collect();
        for (name, _) in cut.servers.iter().take(MAX_SERVERS) {
            for rtype in [Rtype::A, Rtype::AAAA] {
                if all.is_empty() && self.count().is_ok() {
                    all = self.asked.addresses_of(name, rtype).await;
                }
            }
        }
        let upstream = |ip| Upstream::plain(SocketAddr::new(ip, PORT));
        let from = |upstream: Upstream| match self.rule.sources() {
            Some(sources) => upstream.asked_from(sources),
            None => upstream,
        };
        all.into_iter().map(upstream).map(from).collect()
    }
}

impl ForwardedQuestion<'_> {
    /// The addresses of a name server, as this client would be told.
    async fn addresses_of(&self, name: &DnsName, rtype: Rtype) -> Vec<IpAddr> {
        let buf = NameBuf::from(name);
        let question = Question { name: buf.name(), rtype, recursion_desired: true };
        let reply = self.found_by(name.wire(), &question).await;
        let Ok(message) = Message::parse(&reply) else { return Vec::new() };
        let answers = message.records().filter(|record| record.section == Section::Answer);
        answers.filter_map(|record| address(&message, &record)).collect()
    }
}

/// The cut at or above `name` in a zone, with the addresses that the zone has of its name servers.
fn cut_of(zone: &HostedZone, name: &DnsName) -> Option<Cut> {
    let (apex, servers) = delegation(zone, name)?;
    let servers = servers.rdata.iter().filter_map(|data| DnsName::from_wire(data));
    let servers = servers.map(|server| {
        let addresses = glue(zone, &server);
        (server, addresses)
    });
    Some(Cut { apex: apex.clone(), servers: servers.collect() })
}

/// The cut to which a reply refers: below the one that was asked, and at or above the name (RFC 1034 4.3.2 3b). Addresses are
/// taken of name servers below the cut that was asked, as its own cannot tell others.
fn referral(message: &Message<'_>, above: &DnsName, name: &DnsName) -> Option<Cut> {
    let of_cut = |record: &Record| record.section == Section::Authority && record.rtype == Rtype::NS;
    let first = message.records().find(of_cut)?;
    let apex = DnsName::from_wire(message.owner(&first).wire())?;
    (apex != *above && apex.is_at_or_below(above) && name.is_at_or_below(&apex)).then_some(())?;
    let mut servers = Vec::new();
    for record in message.records().filter(of_cut) {
        let Some((server, _)) = read_name(message.octets(), record.rdata.start) else { continue };
        let Some(server) = DnsName::from_wire(server.wire()) else { continue };
        let glue = message.records().filter(|record| {
            record.section == Section::Additional
                && server.is_at_or_below(above)
                && message.owner(record).wire() == server.wire()
        });
        let addresses = glue.filter_map(|record| address(message, &record)).collect();
        servers.push((server, addresses));
    }
    Some(Cut { apex, servers })
}

/// The address of an A or AAAA record.
fn address(message: &Message<'_>, record: &Record) -> Option<IpAddr> {
    matches!(record.rtype, Rtype::A | Rtype::AAAA).then_some(())?;
    address_of(message.octets().get(record.rdata.clone())?)
}
