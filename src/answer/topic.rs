//! What decided about an answer, in one word: what metrics are told apart by.

use super::decision::Reason;

/// What an answer is about, or who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The name of an endpoint.
    Endpoint,
    /// A private name, or one below it.
    PrivateName,
    /// A hosted zone.
    HostedZone,
    /// An instance or another interface of the VPC.
    Instance,
    /// A special name.
    Special,
    /// A FORWARD rule: its resolvers are asked.
    Rule,
    /// Nothing of ours: the configured resolvers are asked.
    Upstream,
    /// Neither answered nor asked: the client is not served, or nobody may be asked.
    Denied,
    /// A name at fault, by a drill.
    Drill,
}

impl Topic {
    /// The words for all topics, in the order of the variants.
    pub const NAMES: [&'static str; 9] =
        ["endpoint", "private_name", "hosted_zone", "instance", "special", "rule", "upstream", "denied", "drill"];
}

impl Reason<'_> {
    /// What it is about.
    pub fn topic(&self) -> Topic {
        match self {
            Self::EndpointName(_) | Self::NotServed(_) | Self::NoSuchEndpointName(_) | Self::PublicZone => {
                Topic::Endpoint
            }
            Self::PrivateName(..) | Self::BelowPrivateName(_) => Topic::PrivateName,
            Self::HostedZone(_)
            | Self::Wildcard(_)
            | Self::NotInHostedZone(_)
            | Self::AliasLoop(_)
            | Self::Elsewhere(_)
            | Self::NameTooLong(_)
            | Self::Delegated(_)
            | Self::Alias(..) => Topic::HostedZone,
            Self::Instance(_) | Self::NoSuchInstance(_) | Self::UnknownInstance(_) | Self::PublicInstance(_) => {
                Topic::Instance
            }
            Self::Special(_) => Topic::Special,
            Self::Rule(_) | Self::DelegateRule(..) => Topic::Rule,
            Self::Drill(_) => Topic::Drill,
            Self::Upstream | Self::NotPrivate(_) => Topic::Upstream,
            Self::PrivateOnly(..)
            | Self::NoUpstream
            | Self::NoRecursion
            | Self::DnsSupportOff(_)
            | Self::UnknownClient => Topic::Denied,
        }
    }
}
