//! The rules of security groups. They are kept and shown, and do not affect DNS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::xml::Xml;

/// A rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    /// `sgr-...`
    pub id: String,
    /// Whether it is for traffic that leaves.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, another protocol's number, or `-1` for all.
    pub protocol: String,
    /// The first port, or the ICMP type.
    pub from_port: Option<i32>,
    /// The last port, or the ICMP code.
    pub to_port: Option<i32>,
    /// Who is on the other side.
    pub peer: RulePeer,
    /// What it is for.
    pub description: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulePeer {
    /// An IPv4 block.
    Ipv4(String),
    /// An IPv6 block.
    Ipv6(String),
    /// A prefix list.
    PrefixList(String),
    /// A security group.
    Group {
        /// `sg-...`
        id: String,
        /// The account that owns it.
        owner: String,
    },
}

impl RulePeer {
    /// The block or id.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ipv4(text) | Self::Ipv6(text) | Self::PrefixList(text) => text,
            Self::Group { id, .. } => id,
        }
    }
}

impl GroupRule {
    /// Whether it means the same traffic: what it is for and its tags aside.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |rule: &Self| (rule.egress, rule.protocol.clone(), rule.from_port, rule.to_port, rule.peer.clone());
        key(self) == key(other)
    }
}

/// The rules that a group comes with: everything may leave, by IPv6 too where the VPC has such a block, and members of a VPC's
/// default group reach each other (VPC guide, "Default security groups").
pub fn rules_at_start(group: &str, name: &str, owner: &str, has_ipv6: bool) -> Vec<GroupRule> {
    let digits = group.strip_prefix("sg-").unwrap_or_default();
    let rule = |suffix: char, egress: bool, peer: RulePeer| GroupRule {
        // as stable as the group: nobody has made it
        id: format!("sgr-{suffix}{}", digits.get(1..).unwrap_or_default()),
        egress,
        protocol: "-1".to_owned(),
        from_port: None,
        to_port: None,
        peer,
        description: None,
        tags: BTreeMap::new(),
    };
    let mut rules = vec![rule('e', true, RulePeer::Ipv4("0.0.0.0/0".to_owned()))];
    if has_ipv6 {
        rules.push(rule('6', true, RulePeer::Ipv6("::/0".to_owned())));
    }
    if name == "default" {
        rules.push(rule('1', false, RulePeer::Group { id: group.to_owned(), owner: owner.to_owned() }));
    }
    rules
}

/// Whether a peer is of a kind.
type PeerKind = fn(&RulePeer) -> bool;

/// `<ipPermissions>` of a group: its rules of one direction, those of the same traffic together.
pub(super) fn permissions(rules: &[GroupRule], egress: bool) -> String {
    let mut seen: Vec<(&str, Option<i32>, Option<i32>)> = Vec::new();
    let of_direction: Vec<&GroupRule> = rules.iter().filter(|rule| rule.egress == egress).collect();
    let mut xml = Xml::new();
    for rule in &of_direction {
        let traffic = (rule.protocol.as_str(), rule.from_port, rule.to_port);
        if seen.contains(&traffic) {
            continue;
        }
        seen.push(traffic);
        let alike = || {
            let same = |other: &&&GroupRule| (other.protocol.as_str(), other.from_port, other.to_port) == traffic;
            of_direction.iter().filter(same)
        };
        xml.element("item", |xml| {
            xml.text("ipProtocol", &rule.protocol);
            xml.optional("fromPort", rule.from_port);
            xml.optional("toPort", rule.to_port);
            let lists: [(&str, &str, PeerKind); 4] = [
                ("groups", "groupId", |peer| matches!(peer, RulePeer::Group { .. })),
                ("ipRanges", "cidrIp", |peer| matches!(peer, RulePeer::Ipv4(_))),
                ("ipv6Ranges", "cidrIpv6", |peer| matches!(peer, RulePeer::Ipv6(_))),
                ("prefixListIds", "prefixListId", |peer| matches!(peer, RulePeer::PrefixList(_))),
            ];
            for (list, element, is_of) in lists {
                xml.list(list, alike().filter(|rule| is_of(&rule.peer)), |xml, rule| {
                    if let RulePeer::Group { owner, .. } = &rule.peer {
                        xml.text("userId", owner);
                    }
                    xml.text(element, rule.peer.as_str());
                    xml.optional("description", rule.description.as_ref());
                });
            }
        });
    }
    xml.into_text()
}
