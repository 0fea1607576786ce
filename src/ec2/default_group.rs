//! The security group that a VPC comes with.

use super::call::new_id;
use super::record::{SecurityGroup, Tags, VpcRecord};
use super::state::ApiState;
use crate::naming::VpcId;

/// Its name.
pub(super) const DEFAULT: &str = "default";

/// The group of a VPC of files, or of one that is new: its id is `sg-` and the digits of the VPC's own.
pub(super) fn default_group(vpc: &VpcRecord) -> SecurityGroup {
    SecurityGroup {
        id: derived_id(vpc.id),
        owner: vpc.owner.clone(),
        vpc: vpc.id,
        name: DEFAULT.to_owned(),
        description: "default VPC security group".to_owned(),
        rules: None,
        tags: Tags::new(),
    }
}

/// The group of a new VPC. Where somebody chose its id for another group, it gets another one.
pub(super) fn new_default_group(state: &ApiState, vpc: &VpcRecord) -> SecurityGroup {
    let group = default_group(vpc);
    let id = if state.get(&group.id).is_some() { new_id("sg-") } else { group.id };
    SecurityGroup { id, ..group }
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
