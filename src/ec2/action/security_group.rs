//! Security groups: names that endpoints can be given. They do not affect DNS.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::ec2::call::{Action, Call, Done, new_id, region_arn};
use crate::ec2::default_group::{DEFAULT, default_group, rules_of_new};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::{EndpointRecord, Phase, SecurityGroup, StoredObject};
use crate::ec2::rule::{GroupRule, RulePeer, permissions};
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::model::Key;
use crate::naming::VpcId;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateSecurityGroup", writes: true, idempotent: false, run: create },
    Action { name: "DescribeSecurityGroups", writes: false, idempotent: false, run: describe },
    Action { name: "GetSecurityGroupsForVpc", writes: false, idempotent: false, run: for_vpc },
    Action { name: "DeleteSecurityGroup", writes: true, idempotent: false, run: delete },
];

/// Most characters of a name, and of a description (EC2 API Reference, CreateSecurityGroup).
const LONGEST: usize = 255;

const LISTING: Listing = Listing { set: "securityGroupInfo", bad_filter: "InvalidParameterValue", least: 5 };

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let name = params.required("GroupName")?;
    let description = params.required("GroupDescription")?;
    let vpc = match params.optional("VpcId") {
        Some(vpc) => call.need_vpc(&vpc)?.id,
        None => super::default_vpc::find(call).map(|vpc| vpc.id).ok_or_else(|| {
            let message = "No default VPC for this user: the request must contain the parameter VpcId";
            ApiError::new("VPCIdNotSpecified", message)
        })?,
    };
    let tags = super::tags::take(params, "security-group")?;
    for (value, parameter) in [(&name, "GroupName"), (&description, "GroupDescription")] {
        if value.chars().count() > LONGEST {
            return Err(ApiError::value(value, parameter, "Character limit of 255 exceeded."));
        }
    }
    if name == DEFAULT {
        let message = format!("Cannot use reserved security group name: {name}");
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    if name.starts_with("sg-") {
        return Err(ApiError::value(name, "GroupName", "Group names may not be in the format sg-*."));
    }
    if call.state.security_groups().any(|group| group.vpc == vpc && group.name == name) {
        let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(ApiError::new("InvalidGroup.Duplicate", message));
    }
    let mut group = SecurityGroup {
        id: super::tags::chosen_id(call, &tags, "sg-")?.unwrap_or_else(|| new_id("sg-")),
        owner: call.caller.account.clone(),
        vpc,
        name,
        description,
        rules: None,
        tags,
    };
    group.rules = call.vpc(vpc).and_then(|vpc| rules_of_new(&group, &vpc));
    let mut answer = Xml::new();
    answer.text("return", true);
    answer.text("groupId", &group.id);
    super::tags::write(&mut answer, &group.tags);
    answer.text("securityGroupArn", arn(call, &group));
    Ok(Done { edit: Edit::put([StoredObject::SecurityGroup(group)]), answer })
}

/// The groups that the caller sees, by id: those of the API's records, and the default group of each VPC of files.
pub(super) fn groups<'c>(call: &'c Call<'_>) -> BTreeMap<String, Cow<'c, SecurityGroup>> {
    let of_files = call.vpcs().filter(|vpc| call.state.vpc(vpc.id).is_none()).map(|vpc| default_group(&vpc));
    let mut groups: BTreeMap<String, Cow<'_, SecurityGroup>> =
        of_files.map(|group| (group.id.clone(), Cow::Owned(group))).collect();
    let mine = call.state.security_groups().filter(|group| is_mine(call, group));
    groups.extend(mine.map(|group| (group.id.clone(), Cow::Borrowed(group))));
    groups
}

fn is_mine(call: &Call<'_>, group: &SecurityGroup) -> bool {
    call.sees(&group.owner) && call.is_here(group.vpc)
}

/// The group that a call names, or EC2's error for one that is not there.
pub(super) fn need<'c>(call: &'c Call<'_>, id: &str) -> Result<Cow<'c, SecurityGroup>, ApiError> {
    if let Some(group) = call.state.security_group(id) {
        return if is_mine(call, group) { Ok(Cow::Borrowed(group)) } else { Err(ApiError::not_found("sg-", id)) };
    }
    let vpc = id.strip_prefix("sg-").and_then(|digits| format!("{}{digits}", VpcId::PREFIX).parse().ok());
    let of_file = vpc.filter(|vpc| call.state.vpc(*vpc).is_none()).and_then(|vpc| call.vpc(vpc));
    let group = of_file.map(|vpc| default_group(&vpc));
    group.filter(|group| is_mine(call, group)).map(Cow::Owned).ok_or_else(|| ApiError::not_found("sg-", id))
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("GroupId");
    let names = params.list("GroupName");
    let filters = LISTING.take::<ListedGroup<'_>>(params)?;
    let all = if ids.is_empty() {
        groups(call)
    } else {
        ids.iter().map(|id| Ok((id.clone(), need(call, id)?))).collect::<Result<_, ApiError>>()?
    };
    if let Some(name) = names.iter().find(|name| !all.values().any(|group| group.name == **name)) {
        return Err(ApiError::not_found("sg-", name));
    }
    let found = all.into_values().filter(|group| names.is_empty() || names.contains(&group.name));
    let listed = found.map(|group| ListedGroup { arn: arn(call, &group), group });
    Ok(LISTING.page(&filters, listed, |listed| listed.group.id.clone()))
}

const FOR_VPC: Listing = Listing { set: "securityGroupForVpcSet", bad_filter: "InvalidParameterValue", least: 5 };

/// Groups that resources of a VPC can have: its own, as none is shared.
fn for_vpc(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let vpc = call.need_vpc(&params.required("VpcId")?)?.id;
    let of_vpc = groups(call).into_values().filter(|group| group.vpc == vpc).map(GroupOfVpc);
    FOR_VPC.answer(params, of_vpc, |listed| listed.0.id.clone())
}

/// A group as `GetSecurityGroupsForVpc` lists it.
struct GroupOfVpc<'c>(Cow<'c, SecurityGroup>);

fields! {
    impl GroupOfVpc<'_> as it {
        "description" ["description"] = &it.0.description;
        "groupName" ["group-name"] = &it.0.name;
        "ownerId" ["owner-id"] = &it.0.owner;
        "groupId" ["group-id"] = &it.0.id;
        "tagSet" ["tag", "tag-key"] = &it.0.tags;
        "primaryVpcId" ["primary-vpc-id"] = Values::of(it.0.vpc);
    }
}

/// A group as it is listed.
struct ListedGroup<'c> {
    group: Cow<'c, SecurityGroup>,
    arn: String,
}

impl ListedGroup<'_> {
    /// A value of each rule of a direction.
    fn rules(&self, egress: bool, value: impl Fn(&GroupRule) -> Option<String>) -> Values<'_> {
        Values::of_each(self.group.rules().iter().filter(|rule| rule.egress == egress).filter_map(value))
    }

    /// The other side of each rule of a direction and kind.
    fn peers(&self, egress: bool, is_of: fn(&RulePeer) -> bool) -> Values<'_> {
        self.rules(egress, |rule| is_of(&rule.peer).then(|| rule.peer.as_str().to_owned()))
    }
}

fn owner_of_peer(rule: &GroupRule) -> Option<String> {
    if let RulePeer::Group { owner, .. } = &rule.peer { Some(owner.clone()) } else { None }
}

fields! {
    impl ListedGroup<'_> as it {
        "groupId" ["group-id"] = &it.group.id;
        "ipPermissionsEgress" = Values::Written(permissions(&it.group.rules(), true));
        "" ["egress.ip-permission.cidr"] = it.peers(true, |peer| matches!(peer, RulePeer::Ipv4(_)));
        "" ["egress.ip-permission.ipv6-cidr"] = it.peers(true, |peer| matches!(peer, RulePeer::Ipv6(_)));
        "" ["egress.ip-permission.group-id"] = it.peers(true, |peer| matches!(peer, RulePeer::Group { .. }));
        "" ["egress.ip-permission.prefix-list-id"] = it.peers(true, |peer| matches!(peer, RulePeer::PrefixList(_)));
        "" ["egress.ip-permission.from-port"] = it.rules(true, |rule| rule.from_port.map(|port| port.to_string()));
        "" ["egress.ip-permission.to-port"] = it.rules(true, |rule| rule.to_port.map(|port| port.to_string()));
        "" ["egress.ip-permission.protocol"] = it.rules(true, |rule| Some(rule.protocol.clone()));
        "" ["egress.ip-permission.user-id"] = it.rules(true, owner_of_peer);
        "" ["egress.ip-permission.group-name", "ip-permission.group-name"] = Values::Absent;
        "tagSet" ["tag", "tag-key"] = &it.group.tags;
        "vpcId" ["vpc-id"] = Values::of(it.group.vpc);
        "securityGroupArn" = &it.arn;
        "ownerId" ["owner-id"] = &it.group.owner;
        "groupName" ["group-name"] = &it.group.name;
        "groupDescription" ["description"] = &it.group.description;
        "ipPermissions" = Values::Written(permissions(&it.group.rules(), false));
        "" ["ip-permission.cidr"] = it.peers(false, |peer| matches!(peer, RulePeer::Ipv4(_)));
        "" ["ip-permission.ipv6-cidr"] = it.peers(false, |peer| matches!(peer, RulePeer::Ipv6(_)));
        "" ["ip-permission.group-id"] = it.peers(false, |peer| matches!(peer, RulePeer::Group { .. }));
        "" ["ip-permission.prefix-list-id"] = it.peers(false, |peer| matches!(peer, RulePeer::PrefixList(_)));
        "" ["ip-permission.from-port"] = it.rules(false, |rule| rule.from_port.map(|port| port.to_string()));
        "" ["ip-permission.to-port"] = it.rules(false, |rule| rule.to_port.map(|port| port.to_string()));
        "" ["ip-permission.protocol"] = it.rules(false, |rule| Some(rule.protocol.clone()));
        "" ["ip-permission.user-id"] = it.rules(false, owner_of_peer);
    }
}

fn arn(call: &Call<'_>, group: &SecurityGroup) -> String {
    region_arn(call, &group.owner, "security-group", &group.id)
}

/// The group that a call is to change: one of the API, and not the default group of a VPC in a file.
pub(super) fn need_to_change(call: &Call<'_>, id: &str) -> Result<SecurityGroup, ApiError> {
    let group = need(call, id)?;
    if call.state.security_group(id).is_none() {
        call.owned(&Key::Vpc(group.vpc), &group.id)?;
    }
    Ok(group.into_owned())
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.optional("GroupId");
    if let Some(name) = params.optional("GroupName") {
        // "For a security group in a nondefault VPC, you must specify the group ID" (EC2 API Reference)
        return Err(ApiError::value(name, "GroupName", "Security groups of a VPC are named by GroupId."));
    }
    let id = id.ok_or_else(|| ApiError::missing("GroupId"))?;
    let group = need(call, &id)?;
    if group.name == DEFAULT {
        let message = format!("the specified group: \"{id}\" name: \"{DEFAULT}\" cannot be deleted by a user");
        return Err(ApiError::new("CannotDelete", message));
    }
    let of_resolver = call.state.resolver_endpoints().any(|endpoint| endpoint.security_groups.contains(&id));
    if of_resolver || call.state.interfaces().any(|own| own.security_groups.contains(&id)) {
        return Err(ApiError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    let uses = |endpoint: &EndpointRecord| endpoint.phase != Phase::Deleted && endpoint.security_groups.contains(&id);
    if call.state.endpoints_of(group.vpc).any(uses) {
        return Err(ApiError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    let named = |rule: &GroupRule| matches!(&rule.peer, RulePeer::Group { id: peer, .. } if *peer == id);
    if groups(call).values().any(|other| other.id != id && other.rules().iter().any(named)) {
        return Err(ApiError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    let mut answer = Xml::new();
    answer.text("return", true);
    answer.text("groupId", &id);
    Ok(Done { edit: Edit { remove: vec![id], ..Edit::default() }, answer })
}
