//! What an answer is made of: parts that borrow from the snapshot, and the reason for it.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::dns::{DnsName, InfoCode, Rcode, Rtype, write_name};
use crate::model::{Endpoint, HostedZone, Interface, Rrset, Rule, Upstream, Vpc, ZoneIndex};
use crate::naming::instance_zone;
use crate::snapshot::{ContestedBlock, Drill};

/// What to do with a question.
#[derive(Clone, Debug)]
pub enum Decision<'s> {
    /// Say this.
    Reply(Reply<'s>),
    /// Ask someone else.
    Forward(Forward<'s>),
}

impl<'s> Decision<'s> {
    /// The rule that decided.
    pub fn reason(&self) -> Reason<'s> {
        match self {
            Self::Reply(reply) => reply.reason,
            Self::Forward(forward) => forward.reason,
        }
    }
}

/// An answer out of the snapshot.
#[derive(Clone, Debug)]
pub struct Reply<'s> {
    /// The response code.
    pub rcode: Rcode,
    /// How the question's name leads to the one that `answer` is about, where that is another.
    pub aliases: Option<Box<Aliases<'s>>>,
    /// The record set that was asked for.
    pub answer: Option<Data<'s>>,
    /// The zone whose SOA goes into the authority section, or the cut whose NS do.
    pub authority: AuthoritySection<'s>,
    /// The rule that decided, for `explain` and EDE.
    pub reason: Reason<'s>,
}

/// The aliases that lead from the question's name to another.
#[derive(Clone, Debug)]
pub struct Aliases<'s> {
    /// Their record sets, in order.
    pub chain: Vec<Part<'s>>,
    /// The name that they lead to; `None`: the question's name, where they are all that there is to say.
    pub owner: Option<Cow<'s, DnsName>>,
}

impl<'s> Reply<'s> {
    /// The aliases, in order; none: the answer is about the question's name.
    pub fn chain(&self) -> &[Part<'s>] {
        self.aliases.as_ref().map_or(&[], |aliases| &aliases.chain)
    }

    /// The drill by which it is not what it would be.
    pub fn drill(&self) -> Option<&'s Drill> {
        match (&self.answer, self.reason) {
            (Some(Data::Chosen(chosen)), _) => chosen.drill,
            (_, Reason::Drill(drill)) => Some(drill),
            _ => None,
        }
    }

    /// Lets go of it. Nearly every reply borrows all that it has: to look first is cheaper than to call what would free it.
    #[inline]
    pub fn release(self) {
        let owns_data = match &self.answer {
            Some(Data::Chosen(_) | Data::Synthesized(..)) => true,
            None
            | Some(
                Data::A(_)
                | Data::Aaaa(_)
                | Data::Rrset(..)
                | Data::AddressesOf(..)
                | Data::Soa(_)
                | Data::Ns
                | Data::Instance(_)
                | Data::Fixed(..)
                | Data::Instance6(_)
                | Data::Ptr(..)
                | Data::PtrTo(_),
            ) => false,
        };
        if owns_data || self.aliases.is_some() {
            drop(self);
        } else {
            std::mem::forget(self);
        }
    }

    /// The answer section's record sets, in order, and whose each is (`None`: the question's name).
    pub fn parts(&self) -> impl Iterator<Item = (Option<&DnsName>, &Data<'s>)> {
        let owner = self.aliases.as_ref().and_then(|aliases| aliases.owner.as_deref());
        let answer = self.answer.iter().map(move |data| (owner, data));
        self.chain().iter().map(|part| (part.owner.as_deref(), &part.data)).chain(answer)
    }
}

/// Why a reply has no answer: what its extended error says, whoever writes it.
#[derive(Clone, Copy, Debug)]
pub struct NoAnswer<'s>(pub Reason<'s>, pub Rcode);

impl fmt::Display for NoAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(reason, rcode) = self;
        if *rcode == Rcode::NOERROR { write!(f, "{reason}: no records of this type") } else { reason.fmt(f) }
    }
}

/// A question for others.
#[derive(Clone, Debug)]
pub struct Forward<'s> {
    /// Aliases of ours that lead from the question's name to `name`.
    pub chain: Vec<Part<'s>>,
    /// The name to ask for, where it is not the question's own.
    pub name: Option<Cow<'s, DnsName>>,
    /// The upstream resolvers to ask.
    pub upstreams: &'s Arc<[Upstream]>,
    /// The rule that decided, for `explain` and EDE.
    pub reason: Reason<'s>,
}

/// A record set on the way to the answer.
#[derive(Clone, Debug)]
pub struct Part<'s> {
    /// Whose it is; `None`: the question's name. Owned where a DNAME made it.
    pub owner: Option<Cow<'s, DnsName>>,
    /// Its records.
    pub data: Data<'s>,
}

/// The records of a part.
#[derive(Clone, Debug)]
pub enum Data<'s> {
    /// The IPv4 addresses of an endpoint.
    A(Addresses<'s>),
    /// The IPv6 addresses of an endpoint.
    Aaaa(Addresses<'s>),
    /// Those addresses of an endpoint that a drill leaves, or that the client's zone prefers.
    Chosen(Box<ChosenAddresses<'s>>),
    /// Records of a hosted zone, beginning with number `rotation`.
    Rrset(&'s Rrset, u32),
    /// Addresses of another name, given at a name of this zone: the records of that name take this part's place.
    AddressesOf(&'s HostedZone, &'s DnsName),
    /// A CNAME to this name, with this TTL, which a DNAME makes (RFC 6672 3.1).
    Synthesized(DnsName, u32),
    /// The SOA of a zone, asked for, with its TTL.
    Soa(u32),
    /// The NS of a zone, asked for.
    Ns,
    /// The address that an instance name says.
    Instance(Ipv4Addr),
    /// One record that is always the same: its type and data.
    Fixed(Rtype, &'static [u8]),
    /// The same, an IPv6 address.
    Instance6(Ipv6Addr),
    /// The instance name of an address, in the zone of the VPC's region.
    Ptr(Ipv4Addr, &'s Vpc),
    /// The name of an address.
    PtrTo(&'s DnsName),
}

/// The interfaces whose addresses an answer has.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'s> {
    endpoint: &'s Endpoint,
    zone: Option<ZoneIndex>,
    rotation: u32,
}

impl<'s> Addresses<'s> {
    /// Those of `endpoint`, in `zone` only where one is given; the first is moved on by `rotation`.
    pub(super) fn new(endpoint: &'s Endpoint, zone: Option<ZoneIndex>, rotation: u32) -> Self {
        Self { endpoint, zone, rotation }
    }

    /// Whether they are those of a zonal name.
    pub(super) fn is_of_one_zone(self) -> bool {
        self.zone.is_some()
    }

    /// The interfaces, in the order of this answer.
    pub fn iter(self) -> impl Iterator<Item = &'s Interface> {
        let interfaces = &self.endpoint.interfaces;
        let first = (self.rotation as usize).checked_rem(interfaces.len()).unwrap_or(0);
        let (before, after) = interfaces.split_at(first);
        after.iter().chain(before).filter(move |interface| self.zone.is_none_or(|zone| zone == interface.zone))
    }
}

/// Addresses of an endpoint that were chosen for the client, all of one family, in the order of the answer.
#[derive(Clone, Debug)]
pub struct ChosenAddresses<'s> {
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The drill that chose, or the first of several.
    pub drill: Option<&'s Drill>,
}

/// What the authority section holds.
#[derive(Clone, Copy, Debug)]
pub enum AuthoritySection<'s> {
    /// Nothing: the answer section says it all.
    None,
    /// The SOA of the zone that is so many octets into the wire form of the name that the reason is about.
    Soa(usize),
    /// The same of a special zone, whose SOA is another one.
    SpecialSoa(usize),
    /// The SOA record that a zone has of its own.
    OwnSoa(&'s DnsName, &'s Rrset),
    /// The name servers of a zone cut (RFC 1034 4.3.2 3b), and the cut; the reason has the zone with their addresses.
    Cut(&'s DnsName, &'s Rrset),
}

/// Why an answer is what it is. `Display` gives the words for RFC 8914 and `explain`.
#[derive(Clone, Copy, Debug)]
pub enum Reason<'s> {
    /// The name of an endpoint.
    EndpointName(&'s Endpoint),
    /// A name of an endpoint that does not serve.
    NotServed(&'s Endpoint),
    /// A zonal name where the endpoint has no interface, or a name below one of an endpoint.
    NoSuchEndpointName(&'s Endpoint),
    /// A name under which endpoints have theirs, asked of a server without upstreams.
    PublicZone,
    /// A private name.
    PrivateName(&'s Endpoint, &'s DnsName),
    /// A name below a private name.
    BelowPrivateName(&'s DnsName),
    /// A hosted zone has the name.
    HostedZone(&'s HostedZone),
    /// A hosted zone has a wildcard for the name.
    Wildcard(&'s HostedZone),
    /// A hosted zone does not have the name.
    NotInHostedZone(&'s HostedZone),
    /// A hosted zone's aliases lead in a circle, or too far.
    AliasLoop(&'s HostedZone),
    /// A DNAME of a hosted zone makes a name that is too long.
    NameTooLong(&'s HostedZone),
    /// A hosted zone has records of the name that nobody told us.
    Elsewhere(&'s HostedZone),
    /// A name at or below a delegation of a hosted zone.
    Delegated(&'s HostedZone),
    /// An alias of a hosted zone to an endpoint.
    Alias(&'s HostedZone, &'s Endpoint),
    /// The name of an address of the VPC, or the address of a name.
    Instance(&'s Vpc),
    /// A name or address that no interface of the VPC has.
    NoSuchInstance(&'s Vpc),
    /// The same, but a resolver that may know it is asked.
    UnknownInstance(&'s Vpc),
    /// The public name of an interface of the VPC, private inside it.
    PublicInstance(&'s Vpc),
    /// A FORWARD rule.
    Rule(&'s Rule),
    /// A DELEGATE rule, by which a delegation of the hosted zone is followed.
    DelegateRule(&'s Rule, &'s HostedZone),
    /// Nothing of ours: the configured resolvers.
    Upstream,
    /// Nothing of ours, though the name could be private.
    NotPrivate(NotPrivate<'s>),
    /// No private answer stands, and the operator wants no other for the names at and below this one.
    PrivateOnly(&'s DnsName, Option<NotPrivate<'s>>),
    /// A special name, by the RFC of this number.
    Special(u16),
    /// Nothing of ours, and no one to ask.
    NoUpstream,
    /// The client does not want others to be asked.
    NoRecursion,
    /// A drill has the name at fault.
    Drill(&'s Drill),
    /// Clients of this VPC are not served.
    DnsSupportOff(&'s Vpc),
    /// Nobody knows the client.
    UnknownClient,
}

/// Why a name that could be private is not.
#[derive(Clone, Copy, Debug)]
pub enum NotPrivate<'s> {
    /// The VPC's attributes are not both on.
    AttributesOff(&'s Vpc),
    /// Its endpoint does not serve.
    NotServed(&'s Endpoint),
    /// Only queries that enter by an inbound resolver endpoint are answered.
    InboundOnly(&'s Endpoint),
    /// The client's address is in a block of several VPCs, and nothing tells which of them it is in.
    Contested(&'s ContestedBlock),
    /// An SDK asks for the name, but nobody has seen it at an endpoint of the service.
    SecondName(&'s Endpoint, &'s DnsName),
}

impl<'s> Reason<'s> {
    /// The endpoint that it is about.
    pub fn endpoint(&self) -> Option<&'s Endpoint> {
        match *self {
            Self::EndpointName(e)
            | Self::NotServed(e)
            | Self::NoSuchEndpointName(e)
            | Self::PrivateName(e, _)
            | Self::Alias(_, e)
            | Self::NotPrivate(NotPrivate::NotServed(e) | NotPrivate::InboundOnly(e) | NotPrivate::SecondName(e, _)) => {
                Some(e)
            }
            _ => None,
        }
    }
}

impl Reason<'_> {
    /// The RFC 8914 info-code that fits.
    pub fn info_code(&self) -> InfoCode {
        match self {
            Self::PrivateOnly(..) => InfoCode::BLOCKED,
            Self::DnsSupportOff(_) | Self::UnknownClient => InfoCode::PROHIBITED,
            Self::NoUpstream | Self::NoRecursion => InfoCode::NOT_AUTHORITATIVE,
            _ => InfoCode::OTHER,
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndpointName(e) => write!(f, "name of {}", e.id),
            Self::NotServed(e) if e.state.is_served() => write!(f, "{} has no address yet", e.id),
            Self::NotServed(e) => write!(f, "{} is {}", e.id, e.state),
            Self::NoSuchEndpointName(e) => write!(f, "{} has no such name", e.id),
            Self::PublicZone => f.write_str("no such endpoint here, and no upstream to ask"),
            Self::PrivateName(e, name) => write!(f, "private name {name} of {}", e.id),
            Self::BelowPrivateName(name) => write!(f, "below the private name {name}: not forwarded"),
            Self::HostedZone(zone) => write!(f, "hosted zone {}", zone.name),
            Self::Wildcard(zone) => write!(f, "wildcard of hosted zone {}", zone.name),
            Self::NotInHostedZone(zone) => write!(f, "not in hosted zone {}", zone.name),
            Self::AliasLoop(zone) => write!(f, "CNAME loop or chain too long from hosted zone {}", zone.name),
            Self::NameTooLong(zone) => {
                write!(f, "a DNAME of hosted zone {} makes a name of more than 255 octets (RFC 6672 2.2)", zone.name)
            }
            Self::Elsewhere(zone) if !zone.is_told => {
                write!(f, "the records of hosted zone {} are not known here", zone.name)
            }
            Self::Elsewhere(zone) => {
                write!(f, "hosted zone {} has it, by an alias or a routing policy that is not known here", zone.name)
            }
            Self::Delegated(zone) => write!(f, "delegated by hosted zone {} to others, who are not asked", zone.name),
            Self::Alias(zone, e) => write!(f, "alias of hosted zone {} to {}", zone.name, e.id),
            Self::Instance(vpc) => write!(f, "interface of {}", vpc.vpc_id),
            Self::NoSuchInstance(vpc) => write!(f, "no interface of {} has it", vpc.vpc_id),
            Self::UnknownInstance(vpc) => {
                write!(f, "no interface of {} that is known has it: a private resolver may know it", vpc.vpc_id)
            }
            Self::PublicInstance(vpc) => write!(f, "public name of an interface of {}, private inside it", vpc.vpc_id),
            Self::Rule(rule) => write!(f, "FORWARD rule for {}", rule.domain_name),
            Self::DelegateRule(rule, zone) => {
                write!(
                    f,
                    "delegated by hosted zone {}, followed by the DELEGATE rule for {}",
                    zone.name, rule.domain_name
                )
            }
            Self::Upstream => f.write_str("not ours: forwarded"),
            Self::NotPrivate(why) => write!(f, "{why}"),
            Self::PrivateOnly(name, None) => write!(f, "private_only covers {name}, and there is no private answer"),
            Self::PrivateOnly(name, Some(why)) => write!(f, "private_only covers {name}, and {why}"),
            Self::Special(rfc) => write!(f, "special name, answered here (RFC {rfc})"),
            Self::NoUpstream => f.write_str("not ours, and no upstream to ask"),
            Self::Drill(drill) => write!(f, "{drill}"),
            Self::NoRecursion => f.write_str("not ours, and RD is clear"),
            Self::DnsSupportOff(vpc) => write!(f, "enable_dns_support=false on {}", vpc.vpc_id),
            Self::UnknownClient => f.write_str("your address is in no VPC and not in the allow list"),
        }
    }
}

impl fmt::Display for NotPrivate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttributesOff(vpc) => {
                f.write_str("private DNS is off:")?;
                if !vpc.enable_dns_support {
                    f.write_str(" enable_dns_support=false")?;
                }
                if !vpc.enable_dns_hostnames {
                    f.write_str(" enable_dns_hostnames=false")?;
                }
                write!(f, " on {}", vpc.vpc_id)
            }
            Self::NotServed(e) if e.state.is_served() => write!(f, "private DNS is off: {} has no address yet", e.id),
            Self::NotServed(e) => write!(f, "private DNS is off: {} is {}", e.id, e.state),
            Self::InboundOnly(e) => write!(f, "private DNS of {} is for inbound resolver endpoints only", e.id),
            Self::Contested(block) => write!(
                f,
                "your VPC is not known: {block}; give one of them `listeners`, or `clients` with the networks that are its own"
            ),
            Self::SecondName(e, name) => {
                write!(
                    f,
                    "{name} stays public: an SDK asks for it, but no output of AWS has it for the service of {}",
                    e.id
                )
            }
        }
    }
}

/// The instance name of an address, `ip-10-0-1-17` and the zone of the region.
pub(crate) fn instance_name(address: Ipv4Addr, vpc: &Vpc) -> Option<DnsName> {
    let [a, b, c, d] = address.octets();
    instance_zone(&vpc.region).prepend(&format!("ip-{a}-{b}-{c}-{d}")).ok()
}

/// A wire name in a message for people.
pub(super) struct Wire<'a>(pub &'a [u8]);

impl fmt::Display for Wire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_small_enough_to_be_moved_without_a_call() {
        assert!(size_of::<Decision<'_>>() <= 128, "{}", size_of::<Decision<'_>>());
    }
}
