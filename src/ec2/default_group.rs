//! The security group that a VPC comes with.

use super::record::{SecurityGroup, Tags, VpcRecord};
use crate::naming::VpcId;

/// Its id: `sg-` and the digits of the VPC's own.
pub(super) fn default_group_id(vpc: VpcId) -> String {
    vpc.to_string().replacen(VpcId::PREFIX, "sg-", 1)
}

/// The group itself.
pub(super) fn default_group(vpc: &VpcRecord) -> SecurityGroup {
    SecurityGroup {
        id: default_group_id(vpc.id),
        owner: vpc.owner.clone(),
        vpc: vpc.id,
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        rules: None,
        tags: Tags::new(),
    }
}
