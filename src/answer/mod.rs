//! What to say to a question: a pure function of snapshot, client and question (invariant I1).
//!
//! [`answer`] is the list of rules from top to bottom, one early return for each:
//!
//! | rule | file |
//! |---|---|
//! | clients that are not served | here |
//! | names at fault, and zones that are down, by a drill | `drill.rs` |
//! | endpoint hostnames, one answer for everybody | `endpoint.rs` |
//! | private names of endpoints | `private.rs` |
//! | hosted zones (RFC 1034, RFC 4592) | `hosted.rs` |
//! | names below a DNAME of theirs (RFC 6672) | `dname.rs` |
//! | instance names and addresses | `instance.rs` |
//! | special names, such as `localhost` | `special.rs` |
//! | names that are private or nothing (`private_only`) | here |
//! | what is nobody's: forwarded, refused, or NXDOMAIN | here |

// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod advice;
mod chosen;
mod decision;
mod dname;
mod drill;
mod endpoint;
mod hosted;
mod instance;
mod private;
mod question;
mod special;
mod topic;
mod trace;

pub use advice::{advice, private_names_line};
pub(crate) use decision::instance_name;
pub use decision::{
    Addresses, Aliases, AuthoritySection, ChosenAddresses, Data, Decision, Forward, NoAnswer, NotPrivate, Part, Reason,
    Reply,
};
pub use drill::delay;
pub use hosted::{delegation, glue};
pub use question::Question;
pub use special::SOA_DATA as SPECIAL_SOA_DATA;
pub use topic::Topic;
pub use trace::{NoTrace, Trace};

use std::borrow::Cow;

use crate::dns::{DnsName, NameBuf, NameRef, Rcode, Rtype};
use crate::model::{HostedZone, RuleAction, Vpc};
use crate::snapshot::{self, Access, Client, ContestedBlock, Snapshot};
use decision::Wire;

/// TTL of endpoint, private and instance names, and of negative answers: 60 seconds, as the VPC resolver gives.
pub const TTL: u32 = 60;
/// TTL of a private zone's SOA when it is asked for (Route 53 guide, "The start of authority (SOA) record").
pub const SOA_TTL: u32 = 900;
/// TTL of a private zone's NS (Route 53 guide, "Name servers (NS) record").
pub const NS_TTL: u32 = 172_800;

/// Aliases followed for one question. Unbound stops at 11, named at 16.
const MAX_CHAIN: usize = 11;

/// Everything that a rule needs to know.
struct Ask<'s, 'q> {
    snapshot: &'s Snapshot,
    client: Client<'s>,
    name: NameRef<'q>,
    rtype: Rtype,
    rotation: u32,
}

/// What a rule finds.
enum Found<'s> {
    /// This is the decision: others are asked, or the client does not want that.
    Decision(Decision<'s>),
    /// This is the answer.
    Reply(Reply<'s>),
    /// An alias of the zone leads to another name.
    Alias(AliasFound<'s>),
    /// The rule has nothing to say; why, if it might have had.
    Nothing(Option<NotPrivate<'s>>),
    /// An interface that nobody told us of might have the name: rules for shorter names hold, and zones do not.
    UnknownInstance(&'s Vpc),
}

/// An alias, and where it leads.
struct AliasFound<'s> {
    /// The DNAME that makes it, where one does.
    dname: Option<Part<'s>>,
    part: Part<'s>,
    target: Cow<'s, DnsName>,
    reason: Reason<'s>,
}

/// Decides what to say to `question`. `rotation` moves on the order of addresses; `trace` is told each step.
pub fn answer<'s, T: Trace>(
    snapshot: &'s Snapshot,
    client: Client<'s>,
    question: &Question<'_>,
    rotation: u32,
    trace: &mut T,
) -> Decision<'s> {
    if let Some(refusal) = refuse_client(client, trace) {
        return refusal;
    }
    // others delegate to it: it is asked as a name server, whatever RD says
    let recursion_desired = question.recursion_desired && client.access != Access::Delegation;
    let ask = Ask { snapshot, client, name: question.name, rtype: question.rtype, rotation };
    let alias = match one_name(&ask, recursion_desired, trace) {
        Step::Done(decision) => return decision,
        Step::Alias(alias) => alias,
    };
    let question = Question { recursion_desired, ..*question };
    follow(snapshot, client, &question, rotation, alias, trace)
}

/// Follows aliases of hosted zones as long as they lead to names that are decided here (RFC 1034 4.3.2 step 3a).
fn follow<'s, T: Trace>(
    snapshot: &'s Snapshot,
    client: Client<'s>,
    question: &Question<'_>,
    rotation: u32,
    alias: AliasFound<'s>,
    trace: &mut T,
) -> Decision<'s> {
    let AliasFound { dname, part, mut target, mut reason } = alias;
    let mut chain: Vec<Part<'s>> = dname.into_iter().chain([part]).collect();
    while chain.len() < MAX_CHAIN {
        match chain.last().map(|part| &part.data) {
            Some(Data::AddressesOf(..)) => trace.step(format_args!("its addresses are those of {target}")),
            _ => trace.step(format_args!("CNAME to {target}")),
        }
        let buf = NameBuf::from(&*target);
        let ask = Ask { snapshot, client, name: buf.name(), rtype: question.rtype, rotation };
        match one_name(&ask, question.recursion_desired, trace) {
            Step::Alias(next) => {
                chain.extend(next.dname);
                chain.push(Part { owner: Some(std::mem::replace(&mut target, next.target)), ..next.part });
                reason = next.reason;
            }
            Step::Done(Decision::Reply(reply)) if flatten(&mut chain).is_some() => {
                return Decision::Reply(flat_reply(reply, chain, &question.name));
            }
            Step::Done(Decision::Reply(mut reply)) => {
                if matches!(reply.rcode, Rcode::REFUSED) {
                    // the alias itself is a good answer; that its target is not to be had here is no refusal of it
                    reply.rcode = Rcode::NOERROR;
                }
                // nothing leads to what may not be told
                if matches!(reply.rcode, Rcode::SERVFAIL) {
                    chain.clear();
                }
                chain.extend(reply.aliases.take().into_iter().flat_map(|aliases| aliases.chain));
                return Decision::Reply(reply.behind(chain, Some(target)));
            }
            Step::Done(Decision::Forward(mut forward)) => {
                flatten(&mut chain);
                forward.chain = chain;
                forward.name = Some(target);
                return Decision::Forward(forward);
            }
        }
    }
    let reason = match reason {
        Reason::HostedZone(zone) | Reason::Wildcard(zone) => Reason::AliasLoop(zone),
        other => other,
    };
    Decision::Reply(Reply::failed(reason))
}

/// Ends a chain at its first name that has the addresses of another: how they are found is nobody's concern. Returns
/// that name's part.
fn flatten<'s>(chain: &mut Vec<Part<'s>>) -> Option<Part<'s>> {
    let at = chain.iter().position(|part| matches!(part.data, Data::AddressesOf(..)))?;
    chain.truncate(at + 1);
    chain.last().cloned()
}

/// What is known here of a name, as the answer of the last name of `chain`, which has its addresses.
fn flat_reply<'s>(reply: Reply<'s>, chain: Vec<Part<'s>>, question: &NameRef<'_>) -> Reply<'s> {
    let Some(Part { owner, data: Data::AddressesOf(zone, _) }) = chain.last().cloned() else { return reply };
    match (reply.rcode, reply.answer) {
        (Rcode::NOERROR | Rcode::NXDOMAIN, Some(data)) => Reply::positive(data, reply.reason).behind(chain, owner),
        (Rcode::NOERROR | Rcode::NXDOMAIN, None) => Reply::no_addresses(chain, zone, question, reply.reason),
        (Rcode::REFUSED, answer) if matches!(reply.reason, Reason::NoRecursion) => Reply { answer, ..reply },
        _ => Reply::failed(reply.reason),
    }
}

/// The outcome for one name of a chain.
enum Step<'s> {
    Done(Decision<'s>),
    Alias(AliasFound<'s>),
}

/// Whoever is not known, or is in a VPC without DNS support, gets nothing but the reason.
fn refuse_client<'s, T: Trace>(client: Client<'s>, trace: &mut T) -> Option<Decision<'s>> {
    if T::ON {
        match (client.access, &client.view.vpc) {
            (Access::Listener, Some(vpc)) => {
                trace.step(format_args!("client of {}: it asked one of its listeners", vpc.vpc_id));
            }
            (Access::Inbound, Some(vpc)) => {
                trace.step(format_args!("client of {}: it asked an inbound resolver endpoint", vpc.vpc_id));
            }
            (Access::Delegation, Some(vpc)) => {
                trace.step(format_args!("client of {}: it asked an INBOUND_DELEGATION endpoint", vpc.vpc_id));
            }
            (Access::Clients(net), Some(vpc)) => {
                trace.step(format_args!("client of {}: its address is in {net} of its clients", vpc.vpc_id));
            }
            (Access::Contested(_), _) => {
                trace.step(format_args!("client of no VPC: several have a block with its address"));
            }
            (Access::Cidr(cidr), Some(vpc)) => {
                trace.step(format_args!("client of {}: its address is in {cidr}", vpc.vpc_id));
            }
            (Access::Named, Some(vpc)) => {
                trace.step(format_args!("client of {}: the path of DoH says so, and its address may", vpc.vpc_id));
            }
            (Access::Token, Some(vpc)) => {
                trace.step(format_args!("client of {}, as one that has a token of it", vpc.vpc_id));
            }
            (Access::Loopback, _) => trace.step(format_args!("client of no VPC, on this machine")),
            (Access::Allowed(net), _) => trace.step(format_args!("client of no VPC, allowed by {net}")),
            (Access::DnsSupportOff, Some(vpc)) => {
                trace.step(format_args!("client of {}: enable_dns_support is false", vpc.vpc_id));
            }
            _ => trace.step(format_args!("client of no VPC, not in the allow list")),
        }
        if let Some(vpc) = client.view.vpc.as_ref().filter(|_| client.access.is_served()) {
            let (support, hostnames) = (vpc.enable_dns_support, vpc.enable_dns_hostnames);
            trace.step(format_args!("enable_dns_support is {support}, enable_dns_hostnames is {hostnames}"));
        }
    }
    if client.access.is_served() {
        return None;
    }
    let reason = match &client.view.vpc {
        Some(vpc) => Reason::DnsSupportOff(vpc),
        None => Reason::UnknownClient,
    };
    Some(Decision::Reply(Reply::refused(reason)))
}

/// The rules for one name, from top to bottom.
fn one_name<'s, T: Trace>(ask: &Ask<'s, '_>, recursion_desired: bool, trace: &mut T) -> Step<'s> {
    if ask.snapshot.has_drills()
        && let Some(reply) = drill::fault(ask, trace)
    {
        return Step::Done(Decision::Reply(reply));
    }
    // Endpoint hostnames are public: one answer for everybody, whatever view, zone or rule covers them.
    if let Some(reply) = endpoint::find(ask, trace) {
        return Step::Done(Decision::Reply(reply));
    }
    // The most specific zone or rule decides; there is no second try in a shorter zone, except where one says
    // that it lies over what is below (Route 53 guide, "Considerations when working with a private hosted zone").
    let mut why_not = ask.contested().map(NotPrivate::Contested);
    let mut only_zones = false;
    let mut unknown: Option<(&Vpc, usize)> = None;
    let instance = instance::reverse_zone(ask);
    let special = special::zone(ask);
    let private_only = ask.snapshot.policy.private_only.covering(ask.name.wire());
    for labels in (0..=ask.name.label_count()).rev() {
        let entry =
            if ask.client.view.has_depth(labels) { ask.client.view.entry(ask.name.suffix(labels)) } else { None };
        let is_rule = |entry: &&snapshot::ViewEntry| {
            matches!(entry.authority, snapshot::Authority::Forward(..) | snapshot::Authority::System(_))
        };
        // a rule for `.` leaves autodefined names alone (Route 53 guide, "How Route 53 Resolver answers DNS queries")
        if let Some(entry) = entry.filter(|entry| unknown.is_none() || (labels > 0 && is_rule(entry))) {
            match at_entry(ask, entry, labels, recursion_desired, &mut only_zones, trace) {
                Found::Decision(decision) => return Step::Done(decision),
                Found::Reply(reply) => return Step::Done(Decision::Reply(reply)),
                Found::Alias(alias) => return Step::Alias(alias),
                Found::Nothing(why) => why_not = why_not.or(why),
                Found::UnknownInstance(vpc) => unknown = unknown.or(Some((vpc, labels))),
            }
        }
        if unknown.is_some() {
            continue;
        }
        // a rule or zone of the operator's at the same name lies over an autodefined zone, as it does for instance names
        if let Some(zone) = instance.as_ref().filter(|zone| zone.labels == labels) {
            match instance::reverse(ask, zone, trace) {
                Found::Reply(reply) => return Step::Done(Decision::Reply(reply)),
                _ => unknown = Some((zone.vpc, labels)),
            }
            continue;
        }
        if let Some(zone) = special.filter(|zone| zone.labels == labels) {
            return Step::Done(Decision::Reply(special::find(ask, zone, trace)));
        }
        if let Some(name) = private_only.filter(|name| name.label_count() == labels) {
            let reason = Reason::PrivateOnly(name, why_not);
            trace.step(format_args!("{reason}: nobody is asked"));
            return Step::Done(Decision::Reply(Reply::failed(reason)));
        }
    }
    if let Some((vpc, labels)) = unknown {
        return Step::Done(instance::unknown(ask, vpc, labels, private_only.is_some(), recursion_desired, trace));
    }
    if let Some(reply) = instance::reverse_ipv6(ask, trace) {
        return Step::Done(Decision::Reply(reply));
    }
    Step::Done(nobodys(ask, recursion_desired, why_not, trace))
}

/// What decides at one name: a rule, or else a zone. A SYSTEM rule keeps rules for shorter names from holding.
fn at_entry<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    entry: &'s snapshot::ViewEntry,
    labels: usize,
    recursion_desired: bool,
    only_zones: &mut bool,
    trace: &mut T,
) -> Found<'s> {
    if T::ON
        && let Some(profile) = ask.client.view.given_by(entry)
    {
        trace.step(format_args!("the Profile {} gives {}", profile.name, entry.name));
    }
    let mut authority = &entry.authority;
    if matches!(authority, snapshot::Authority::System(_)) {
        trace.step(format_args!("SYSTEM rule for {}: no rule for a shorter name holds", entry.name));
        *only_zones = true;
    }
    if *only_zones {
        let Some(below) = authority.without_rules() else { return Found::Nothing(None) };
        authority = below;
    }
    match authority {
        snapshot::Authority::Forward(rule, _) => {
            trace.step(format_args!("FORWARD rule for {}", entry.name));
            Found::Decision(forward_to(ask, rule, recursion_desired))
        }
        snapshot::Authority::Private(zone) => private::find(ask, entry, zone, labels, trace),
        snapshot::Authority::HostedZone(zone) => hosted::find(ask, zone, labels, recursion_desired, trace),
        snapshot::Authority::SecondName(id) => private::second_name(ask, entry, *id, labels, trace),
        snapshot::Authority::Instances => instance::forward(ask, labels, trace),
        snapshot::Authority::PublicInstances => instance::public(ask, trace),
        snapshot::Authority::System(_) => Found::Nothing(None),
    }
}

/// A rule beats a private zone at the same name and any zone or rule above.
fn forward_to<'s>(ask: &Ask<'s, '_>, rule: &'s crate::model::Rule, recursion_desired: bool) -> Decision<'s> {
    match &rule.action {
        RuleAction::Forward(upstreams) if recursion_desired => {
            Decision::Forward(Forward { chain: Vec::new(), name: None, upstreams, reason: Reason::Rule(rule) })
        }
        RuleAction::Forward(_) => Decision::Reply(Reply::refused(Reason::NoRecursion)),
        // the view keeps the others apart, so this cannot be one; the default is what they mean
        RuleAction::System | RuleAction::Delegate => nobodys(ask, recursion_desired, None, &mut NoTrace),
    }
}

/// Names that no zone and no rule of the client covers.
fn nobodys<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    recursion_desired: bool,
    why_not: Option<NotPrivate<'s>>,
    trace: &mut T,
) -> Decision<'s> {
    let why_not = why_not.map(Reason::NotPrivate);
    let upstreams = &ask.snapshot.policy.upstreams;
    if !upstreams.is_empty() {
        if !recursion_desired {
            return Decision::Reply(Reply::refused(Reason::NoRecursion));
        }
        trace.step(format_args!("no zone or rule of ours covers {}: the upstreams are asked", ask.name));
        return Decision::Forward(Forward {
            chain: Vec::new(),
            name: None,
            upstreams,
            reason: why_not.unwrap_or(Reason::Upstream),
        });
    }
    if let Some(zone) = snapshot::public_zone(ask.name.wire(), ask.name.starts()) {
        Decision::Reply(endpoint::public_zone(ask, zone, trace))
    } else {
        trace.step(format_args!("no zone or rule of ours covers {}, and there is no upstream", ask.name));
        Decision::Reply(Reply::refused(why_not.unwrap_or(Reason::NoUpstream)))
    }
}

impl<'s> Reply<'s> {
    /// NOERROR without any record.
    fn empty(reason: Reason<'s>) -> Self {
        Self { rcode: Rcode::NOERROR, aliases: None, answer: None, authority: AuthoritySection::None, reason }
    }

    /// Aliases of ours and nothing behind them, for a name at its end that others are asked for.
    pub fn aliases_alone(chain: Vec<Part<'s>>, reason: Reason<'s>) -> Self {
        Self::empty(reason).behind(chain, None)
    }

    /// The same, said of `owner` (`None`: of the question's name), to which the aliases in `chain` lead.
    fn behind(self, chain: Vec<Part<'s>>, owner: Option<Cow<'s, DnsName>>) -> Self {
        Self { aliases: Some(Box::new(Aliases { chain, owner })), ..self }
    }

    fn refused(reason: Reason<'s>) -> Self {
        Self { rcode: Rcode::REFUSED, ..Self::empty(reason) }
    }

    fn failed(reason: Reason<'s>) -> Self {
        Self { rcode: Rcode::SERVFAIL, ..Self::refused(reason) }
    }

    fn positive(data: Data<'s>, reason: Reason<'s>) -> Self {
        Self { answer: Some(data), ..Self::empty(reason) }
    }

    /// NOERROR without the type, or NXDOMAIN, with the SOA of the zone that begins at octet `zone` of the name
    /// (RFC 2308 2.1, 2.2).
    fn negative(rcode: Rcode, zone: usize, reason: Reason<'s>) -> Self {
        Self { rcode, authority: AuthoritySection::Soa(zone), ..Self::empty(reason) }
    }

    /// NODATA for the last name of `chain`, of `zone`, which has the addresses of another name: that has none. The name
    /// itself exists, whatever becomes of the other.
    pub fn no_addresses(
        chain: Vec<Part<'s>>,
        zone: &'s HostedZone,
        question: &NameRef<'_>,
        reason: Reason<'s>,
    ) -> Self {
        let owner = chain.last().and_then(|part| part.owner.as_deref()).map_or(question.wire(), DnsName::wire);
        let offset = owner.len().saturating_sub(zone.name.wire().len());
        Self::negative(Rcode::NOERROR, offset, reason).behind(chain, None).with_soa_of(zone)
    }

    /// With the SOA record that `zone` has of its own in the place of Route 53's.
    fn with_soa_of(self, zone: &'s HostedZone) -> Self {
        match (&zone.own_soa, self.authority) {
            (Some(soa), AuthoritySection::Soa(_)) => {
                Self { authority: AuthoritySection::OwnSoa(&zone.name, soa), ..self }
            }
            _ => self,
        }
    }
}

impl<'s> Ask<'s, '_> {
    /// The block that keeps the client from being of a VPC.
    fn contested(&self) -> Option<&'s ContestedBlock> {
        match self.client.access {
            Access::Contested(number) => self.snapshot.contested().get(number as usize),
            _ => None,
        }
    }
}

impl Ask<'_, '_> {
    /// Where the name of the last `labels` labels begins.
    fn offset(&self, labels: usize) -> usize {
        self.name.wire().len() - self.name.suffix(labels).len()
    }

    /// What the apex of a private zone always has: SOA and NS; `None` for other types.
    fn apex_record<'s>(&self, reason: Reason<'s>) -> Option<Reply<'s>> {
        self.apex_record_for(SOA_TTL, reason)
    }

    /// The same with a TTL of the SOA's own.
    fn apex_record_for<'s>(&self, ttl: u32, reason: Reason<'s>) -> Option<Reply<'s>> {
        match self.rtype {
            // for ANY one record set is enough (RFC 8482 4.1)
            Rtype::SOA | Rtype::ANY => Some(Reply::positive(Data::Soa(ttl), reason)),
            Rtype::NS => Some(Reply::positive(Data::Ns, reason)),
            _ => None,
        }
    }
}

/// A name as text, for a trace.
fn show(wire: &[u8]) -> Wire<'_> {
    Wire(wire)
}
