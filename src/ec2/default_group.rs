//! The security group that a VPC comes with.

use ipnet::IpNet;

use super::call::new_id;
use super::record::{SecurityGroup, Tags, VpcRecord};
use super::rule::{GroupRule, rules_at_start};
use super::state::ApiState;
use crate::naming::VpcId;

/// Its name.
pub(super) const DEFAULT: &str = "default";

/// The group of a VPC of files, or of one that is new: its id is `sg-` and the digits of the VPC's own.
pub(super) fn default_group(vpc: &VpcRecord) -> SecurityGroup {
    let group = SecurityGroup {
        id: derived_id(vpc.id),
        owner: vpc.owner.clone(),
        vpc: vpc.id,
        name: DEFAULT.to_owned(),
        description: "default VPC security group".to_owned(),
        rules: None,
        tags: Tags::new(),
    };
    SecurityGroup { rules: rules_of_new(&group, vpc), ..group }
}

/// The rules of a new group of a VPC; none where they are those that all groups come with.
pub(super) fn rules_of_new(group: &SecurityGroup, vpc: &VpcRecord) -> Option<Vec<GroupRule>> {
    let has_ipv6 = vpc.cidr_blocks.iter().any(|block| matches!(block, IpNet::V6(_)));
    has_ipv6.then(|| rules_at_start(&group.id, &group.name, &group.owner, true))
}

/// The group of a new VPC. Where somebody chose its id for another group, it gets another one.
pub(super) fn new_default_group(state: &ApiState, vpc: &VpcRecord) -> SecurityGroup {
    let group = default_group(vpc);
    if state.get(&group.id).is_none() {
        return group;
    }
    let group = SecurityGroup { id: new_id("sg-"), ..group };
    SecurityGroup { rules: rules_of_new(&group, vpc), ..group }
}

/// The id of the group that a VPC comes with.
pub(super) fn default_group_id(state: &ApiState, vpc: VpcId) -> String {
    let derived = derived_id(vpc);
    if state.security_group(&derived).is_none_or(|group| group.vpc == vpc) {
        return derived;
    }
    let mut groups = state.security_groups().filter(|group| group.vpc == vpc && group.name == DEFAULT);
    groups.next().map_or(derived, |group| group.id.clone())
}

fn derived_id(vpc: VpcId) -> String {
    vpc.to_string().replacen(VpcId::PREFIX, "sg-", 1)
}
