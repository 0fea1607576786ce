//! The rules of security groups: authorize, revoke, modify, describe. They are kept and shown, not enforced.

use std::borrow::Cow;

use ipnet::IpNet;

use super::security_group::{groups, need, need_to_change};
use crate::ec2::call::{Action, Call, Done, new_id, region_arn};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Resource, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::{SecurityGroup, StoredObject, Tags};
use crate::ec2::rule::{GroupRule, RulePeer};
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "AuthorizeSecurityGroupIngress", writes: true, idempotent: false, run: authorize_ingress },
    Action { name: "AuthorizeSecurityGroupEgress", writes: true, idempotent: false, run: authorize_egress },
    Action { name: "RevokeSecurityGroupIngress", writes: true, idempotent: false, run: revoke_ingress },
    Action { name: "RevokeSecurityGroupEgress", writes: true, idempotent: false, run: revoke_egress },
    Action { name: "ModifySecurityGroupRules", writes: true, idempotent: false, run: modify },
    Action { name: "DescribeSecurityGroupRules", writes: false, idempotent: false, run: describe },
    Action {
        name: "UpdateSecurityGroupRuleDescriptionsIngress",
        writes: true,
        idempotent: false,
        run: update_ingress_descriptions,
    },
    Action {
        name: "UpdateSecurityGroupRuleDescriptionsEgress",
        writes: true,
        idempotent: false,
        run: update_egress_descriptions,
    },
];

const LISTING: Listing = Listing { set: "securityGroupRuleSet", bad_filter: "InvalidParameterValue", least: 5 };

/// Most rules of a group in each direction (AWS quota L-0EA8095F).
const MOST: usize = 60;
/// Most characters of a description (EC2 API Reference, IpRange).
const LONGEST: usize = 255;

/// A rule as it is listed.
struct ListedRule<'c> {
    rule: Cow<'c, GroupRule>,
    group: String,
    owner: String,
    arn: String,
}

impl<'c> ListedRule<'c> {
    fn of(call: &Call<'_>, group: &SecurityGroup, rule: Cow<'c, GroupRule>) -> Self {
        let arn = region_arn(call, &group.owner, "security-group-rule", &rule.id);
        Self { rule, group: group.id.clone(), owner: group.owner.clone(), arn }
    }

    fn peer_group(&self) -> Option<(&str, &str)> {
        if let RulePeer::Group { id, owner } = &self.rule.peer { Some((id, owner)) } else { None }
    }

    fn ipv4(&self) -> Option<&str> {
        if let RulePeer::Ipv4(block) = &self.rule.peer { Some(block) } else { None }
    }

    fn ipv6(&self) -> Option<&str> {
        if let RulePeer::Ipv6(block) = &self.rule.peer { Some(block) } else { None }
    }

    fn prefix_list(&self) -> Option<&str> {
        if let RulePeer::PrefixList(id) = &self.rule.peer { Some(id) } else { None }
    }
}

fields! {
    impl ListedRule<'_> as it {
        "securityGroupRuleId" ["security-group-rule-id"] = &it.rule.id;
        "groupId" ["group-id"] = &it.group;
        "groupOwnerId" = &it.owner;
        "isEgress" = it.rule.egress;
        "ipProtocol" = &it.rule.protocol;
        "fromPort" = Values::of(it.rule.from_port.unwrap_or(-1));
        "toPort" = Values::of(it.rule.to_port.unwrap_or(-1));
        "cidrIpv4" = it.ipv4();
        "cidrIpv6" = it.ipv6();
        "prefixListId" = it.prefix_list();
        "referencedGroupInfo.groupId" = it.peer_group().map(|(id, _)| id);
        "referencedGroupInfo.userId" = it.peer_group().map(|(_, owner)| owner);
        "description" = it.rule.description.as_deref();
        "tagSet" ["tag", "tag-key"] = &it.rule.tags;
        "securityGroupRuleArn" = &it.arn;
    }
}

/// A rule as its revocation shows it (EC2 API Reference, RevokedSecurityGroupRule).
struct RevokedRule<'c>(ListedRule<'c>);

fields! {
    impl RevokedRule<'_> as it {
        "securityGroupRuleId" = &it.0.rule.id;
        "groupId" = &it.0.group;
        "isEgress" = it.0.rule.egress;
        "ipProtocol" = &it.0.rule.protocol;
        "fromPort" = Values::of(it.0.rule.from_port.unwrap_or(-1));
        "toPort" = Values::of(it.0.rule.to_port.unwrap_or(-1));
        "cidrIpv4" = it.0.ipv4();
        "cidrIpv6" = it.0.ipv6();
        "prefixListId" = it.0.prefix_list();
        "referencedGroupId" = it.0.peer_group().map(|(id, _)| id);
        "description" = it.0.rule.description.as_deref();
    }
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("SecurityGroupRuleId");
    let chosen = LISTING.take::<ListedRule<'_>>(params)?;
    let mut all: Vec<ListedRule<'_>> = groups(call)
        .values()
        .flat_map(|group| {
            let rules = group.rules().into_owned().into_iter();
            rules.map(|rule| ListedRule::of(call, group, Cow::Owned(rule))).collect::<Vec<_>>()
        })
        .collect();
    if let Some(id) = ids.iter().find(|id| !all.iter().any(|listed| listed.rule.id == **id)) {
        return Err(no_rule_id(id));
    }
    all.retain(|listed| ids.is_empty() || ids.contains(&listed.rule.id));
    all.sort_by(|a, b| a.rule.id.cmp(&b.rule.id));
    Ok(LISTING.page(&chosen, all, |listed| listed.rule.id.clone()))
}

fn no_rule_id(id: &str) -> ApiError {
    ApiError::new("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"))
}

fn authorize_ingress(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    authorize(call, params, false)
}

fn authorize_egress(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    authorize(call, params, true)
}

fn authorize(call: &Call<'_>, params: &mut Params, egress: bool) -> Result<Done, ApiError> {
    let mut group = group_to_change(call, params)?;
    let tags = super::tags::take(params, "security-group-rule")?;
    let given = take_permissions(call, params, &group, egress)?;
    if given.is_empty() {
        return Err(ApiError::missing("IpPermissions"));
    }
    let mut rules = group.rules().into_owned();
    let mut added = Vec::new();
    for rule in given {
        if rules.iter().any(|other| other.is_same(&rule)) {
            let message = format!("the specified rule \"{}\" already exists", in_words(&rule));
            return Err(ApiError::new("InvalidPermission.Duplicate", message));
        }
        let rule = GroupRule { tags: tags.clone(), ..rule };
        added.push(rule.clone());
        rules.push(rule);
    }
    if rules.iter().filter(|rule| rule.egress == egress).count() > MOST {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(ApiError::new("RulesPerSecurityGroupLimitExceeded", message));
    }
    let mut answer = Xml::new();
    answer.text("return", true);
    answer.list("securityGroupRuleSet", &added, |xml, rule| {
        ListedRule::of(call, &group, Cow::Borrowed(rule)).write(xml);
    });
    group.rules = Some(rules);
    Ok(Done { edit: Edit::put([StoredObject::SecurityGroup(group)]), answer })
}

/// `peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW`, as EC2 says it.
fn in_words(rule: &GroupRule) -> String {
    let protocol = if rule.protocol == "-1" { "ALL".to_owned() } else { rule.protocol.to_uppercase() };
    let ports = match (rule.from_port, rule.to_port) {
        (Some(from), Some(to)) => format!(", from port: {from}, to port: {to}"),
        _ => String::new(),
    };
    format!("peer: {}, {protocol}{ports}, ALLOW", rule.peer.as_str())
}

fn revoke_ingress(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    revoke(call, params, false)
}

fn revoke_egress(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    revoke(call, params, true)
}

fn revoke(call: &Call<'_>, params: &mut Params, egress: bool) -> Result<Done, ApiError> {
    let mut group = group_to_change(call, params)?;
    let ids = params.list("SecurityGroupRuleId");
    let given = take_permissions(call, params, &group, egress)?;
    if ids.is_empty() && given.is_empty() {
        return Err(ApiError::missing("IpPermissions"));
    }
    let mut rules = group.rules().into_owned();
    let mut gone = Vec::new();
    for id in &ids {
        let at = rules.iter().position(|rule| rule.id == *id && rule.egress == egress).ok_or_else(|| no_rule_id(id))?;
        gone.push(rules.remove(at));
    }
    for rule in &given {
        let at = rules.iter().position(|other| other.is_same(rule)).ok_or_else(no_such_rule)?;
        gone.push(rules.remove(at));
    }
    let mut answer = Xml::new();
    answer.text("return", true);
    answer.list("revokedSecurityGroupRuleSet", &gone, |xml, rule| {
        RevokedRule(ListedRule::of(call, &group, Cow::Borrowed(rule))).write(xml);
    });
    group.rules = Some(rules);
    Ok(Done { edit: Edit::put([StoredObject::SecurityGroup(group)]), answer })
}

fn no_such_rule() -> ApiError {
    ApiError::new("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
}

fn modify(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut group = group_to_change(call, params)?;
    let mut rules = group.rules().into_owned();
    let updates = params.structures("SecurityGroupRule");
    if updates.is_empty() {
        return Err(ApiError::missing("SecurityGroupRule"));
    }
    for mut update in updates {
        let id = update.required("SecurityGroupRuleId")?;
        let mut next = update.structure("SecurityGroupRule");
        update.finish()?;
        let at = rules.iter().position(|rule| rule.id == id).ok_or_else(|| no_rule_id(&id))?;
        let was = rules.remove(at);
        let peer = match (
            next.optional("CidrIpv4"),
            next.optional("CidrIpv6"),
            next.optional("PrefixListId"),
            next.optional("ReferencedGroupId"),
        ) {
            (Some(block), None, None, None) => RulePeer::Ipv4(cidr(&block, false)?),
            (None, Some(block), None, None) => RulePeer::Ipv6(cidr(&block, true)?),
            (None, None, Some(list), None) => RulePeer::PrefixList(list),
            (None, None, None, Some(id)) => peer_group(call, &group, Some(id), None, None)?,
            _ => {
                let message = "One of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId must be given.";
                return Err(ApiError::new("InvalidParameterCombination", message));
            }
        };
        let (protocol, from_port, to_port) = take_traffic(&mut next)?;
        let description = take_description(&mut next)?;
        next.finish()?;
        let rule = GroupRule { protocol, from_port, to_port, peer, description, ..was };
        if rules.iter().any(|other| other.is_same(&rule)) {
            let message = format!("the specified rule \"{}\" already exists", in_words(&rule));
            return Err(ApiError::new("InvalidPermission.Duplicate", message));
        }
        rules.insert(at, rule);
    }
    group.rules = Some(rules);
    Ok(Done::changed(Edit::put([StoredObject::SecurityGroup(group)])))
}

fn update_ingress_descriptions(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    update_descriptions(call, params, false)
}

fn update_egress_descriptions(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    update_descriptions(call, params, true)
}

fn update_descriptions(call: &Call<'_>, params: &mut Params, egress: bool) -> Result<Done, ApiError> {
    let mut group = group_to_change(call, params)?;
    let mut rules = group.rules().into_owned();
    for mut update in params.structures("SecurityGroupRuleDescription") {
        let id = update.required("SecurityGroupRuleId")?;
        let rule = rules.iter_mut().find(|rule| rule.id == id && rule.egress == egress);
        rule.ok_or_else(|| no_rule_id(&id))?.description = take_description(&mut update)?;
        update.finish()?;
    }
    for given in take_permissions(call, params, &group, egress)? {
        let rule = rules.iter_mut().find(|rule| rule.is_same(&given));
        rule.ok_or_else(no_such_rule)?.description = given.description;
    }
    group.rules = Some(rules);
    Ok(Done::changed(Edit::put([StoredObject::SecurityGroup(group)])))
}

/// The group that a call names by id, or by name where only one has it.
fn group_to_change(call: &Call<'_>, params: &mut Params) -> Result<SecurityGroup, ApiError> {
    let (id, name) = (params.optional("GroupId"), params.optional("GroupName"));
    match (id, name) {
        (Some(id), _) => need_to_change(call, &id),
        // "For security groups for a nondefault VPC, use the group ID" (EC2 API Reference)
        (None, Some(name)) => Err(ApiError::value(name, "GroupName", "Security groups of a VPC are named by GroupId.")),
        (None, None) => Err(ApiError::missing("GroupId")),
    }
}

/// The rules that `IpPermissions.N`, or the parameters of the older form, stand for.
fn take_permissions(
    call: &Call<'_>,
    params: &mut Params,
    group: &SecurityGroup,
    egress: bool,
) -> Result<Vec<GroupRule>, ApiError> {
    let mut rules = Vec::new();
    for mut permission in params.structures("IpPermissions") {
        let (protocol, from_port, to_port) = take_traffic(&mut permission)?;
        let mut add = |peer: RulePeer, description: Option<String>| {
            let (protocol, tags) = (protocol.clone(), Tags::new());
            let id = new_id("sgr-");
            rules.push(GroupRule { id, egress, protocol, from_port, to_port, peer, description, tags });
        };
        let before = add_peers(call, &mut permission, group, &mut add)?;
        permission.finish()?;
        if before == 0 {
            let message = "The request must contain a source or destination for each of IpPermissions.";
            return Err(ApiError::new("MissingParameter", message));
        }
    }
    if let Some(block) = params.optional("CidrIp") {
        let (protocol, from_port, to_port) = take_traffic(params)?;
        let peer = RulePeer::Ipv4(cidr(&block, false)?);
        let (id, description, tags) = (new_id("sgr-"), None, Tags::new());
        rules.push(GroupRule { id, egress, protocol, from_port, to_port, peer, description, tags });
    } else if let Some(name) = params.optional("SourceSecurityGroupName") {
        let owner = params.optional("SourceSecurityGroupOwnerId");
        let peer = peer_group(call, group, None, Some(name), owner)?;
        let (id, description, tags) = (new_id("sgr-"), None, Tags::new());
        // "creates rules that grant full access" (EC2 API Reference)
        let protocol = "-1".to_owned();
        rules.push(GroupRule { id, egress, protocol, from_port: None, to_port: None, peer, description, tags });
    }
    Ok(rules)
}

/// Gives `add` each peer of an `IpPermissions.N`, and says how many there were.
fn add_peers(
    call: &Call<'_>,
    permission: &mut Params,
    group: &SecurityGroup,
    add: &mut dyn FnMut(RulePeer, Option<String>),
) -> Result<usize, ApiError> {
    let mut count = 0;
    for (list, field, v6) in [("IpRanges", "CidrIp", false), ("Ipv6Ranges", "CidrIpv6", true)] {
        for mut range in permission.structures(list) {
            let block = cidr(&range.required(field)?, v6)?;
            add(if v6 { RulePeer::Ipv6(block) } else { RulePeer::Ipv4(block) }, take_description(&mut range)?);
            range.finish()?;
            count += 1;
        }
    }
    for mut list in permission.structures("PrefixListIds") {
        let id = list.required("PrefixListId")?;
        add(RulePeer::PrefixList(id), take_description(&mut list)?);
        list.finish()?;
        count += 1;
    }
    for mut pair in permission.structures("Groups") {
        let description = take_description(&mut pair)?;
        for name in ["VpcId", "VpcPeeringConnectionId", "PeeringStatus"] {
            pair.optional(name);
        }
        let (id, name, owner) = (pair.optional("GroupId"), pair.optional("GroupName"), pair.optional("UserId"));
        add(peer_group(call, group, id, name, owner)?, description);
        pair.finish()?;
        count += 1;
    }
    Ok(count)
}

/// A group on the other side of a rule: one that the caller sees, in the same VPC where it is given by name.
fn peer_group(
    call: &Call<'_>,
    group: &SecurityGroup,
    id: Option<String>,
    name: Option<String>,
    owner: Option<String>,
) -> Result<RulePeer, ApiError> {
    // a group of another account is that account's to know
    if let (Some(id), Some(owner)) = (&id, owner.filter(|owner| *owner != call.caller.account)) {
        return Ok(RulePeer::Group { id: id.clone(), owner });
    }
    let found = match (id, name) {
        (Some(id), _) => need(call, &id)?.into_owned(),
        (None, Some(name)) => {
            let of_vpc = |other: &&Cow<'_, SecurityGroup>| other.vpc == group.vpc && other.name == name;
            let missing = || ApiError::not_found("sg-", &name);
            groups(call).values().find(of_vpc).cloned().ok_or_else(missing)?.into_owned()
        }
        (None, None) => return Err(ApiError::missing("GroupId")),
    };
    Ok(RulePeer::Group { id: found.id, owner: found.owner })
}

/// The protocol and ports of a rule.
fn take_traffic(params: &mut Params) -> Result<(String, Option<i32>, Option<i32>), ApiError> {
    let given = params.optional("IpProtocol").unwrap_or_else(|| "-1".to_owned()).to_lowercase();
    let from = params.parsed::<i32>("FromPort", "Expected an integer.")?;
    let to = params.parsed::<i32>("ToPort", "Expected an integer.")?;
    let protocol = match given.as_str() {
        "-1" | "all" => "-1",
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        number if number.parse::<u8>().is_ok() => number,
        _ => {
            let message = format!("Invalid value '{given}' for IP protocol. Unknown protocol.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
    };
    let refuse = |message: String| Err(ApiError::new("InvalidParameterValue", message));
    match (protocol, from, to) {
        ("tcp" | "udp", Some(from), Some(to)) => {
            if !(0..=65_535).contains(&from) || !(0..=65_535).contains(&to) {
                return refuse(format!("Invalid value '{from}-{to}' for portRange. Port values must be 0 to 65535."));
            }
            if from > to {
                return refuse("Invalid TCP/UDP port range (from-port is greater than to-port)".to_owned());
            }
            Ok((protocol.to_owned(), Some(from), Some(to)))
        }
        ("tcp" | "udp", ..) => {
            refuse("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.".to_owned())
        }
        ("icmp" | "icmpv6", from, to) => Ok((protocol.to_owned(), Some(from.unwrap_or(-1)), Some(to.unwrap_or(-1)))),
        // "specifying -1 ... allows traffic on all ports, regardless of any port range you specify" (EC2 API Reference)
        (protocol, ..) => Ok((protocol.to_owned(), None, None)),
    }
}

/// A block, host bits cut off as EC2 does.
fn cidr(text: &str, v6: bool) -> Result<String, ApiError> {
    let block = text.parse::<IpNet>().ok().filter(|block| matches!(block, IpNet::V6(_)) == v6);
    let malformed = || ApiError::new("InvalidParameterValue", format!("CIDR block {text} is malformed"));
    block.map(|block| block.trunc().to_string()).ok_or_else(malformed)
}

fn take_description(params: &mut Params) -> Result<Option<String>, ApiError> {
    let Some(text) = params.optional("Description") else { return Ok(None) };
    if text.chars().count() > LONGEST {
        return Err(ApiError::value(text, "Description", "Character limit of 255 exceeded."));
    }
    Ok(Some(text))
}
