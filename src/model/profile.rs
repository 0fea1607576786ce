//! Route 53 Profiles: hosted zones, rules and interface endpoints that several VPCs share.
//!
//! "A VPC can have up to two Profile associations"; they are evaluated "in priority order, starting with the lowest value"
//! (Route 53 Profiles API Reference, `ProfileAssociation`). A Profile is of one Region, as are the VPCs and endpoints in it.

use std::sync::Arc;

use crate::naming::{EndpointId, VpcId};
use crate::problem::At;

/// Profiles that a VPC can have.
pub(super) const PROFILES_OF_A_VPC: usize = 2;

/// A Profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What hosted zones and rules call it.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
    /// The VPCs that have it, sorted, each with the priority that it has there.
    pub vpcs: Box<[(VpcId, u32)]>,
    /// Endpoints whose private names it shares. Of several that serve a name, the first answers.
    pub endpoints: Box<[EndpointId]>,
    /// Whether its VPCs have reverse zones of their own; `None`: as each VPC says.
    pub autodefined_reverse: Option<bool>,
    /// Whether upstream replies are validated for its VPCs; `None`: as each VPC says.
    pub dnssec_validation: Option<bool>,
}

impl Profile {
    /// Its priority in a VPC that has it.
    pub fn priority_in(&self, vpc: VpcId) -> Option<u32> {
        let at = self.vpcs.binary_search_by_key(&vpc, |(id, _)| *id).ok()?;
        self.vpcs.get(at).map(|(_, priority)| *priority)
    }
}

/// Whom a hosted zone or a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reach {
    /// These VPCs, sorted.
    pub vpc_ids: Box<[VpcId]>,
    /// Every VPC.
    pub every_vpc: bool,
    /// The VPCs of these Profiles, by id, sorted.
    pub profiles: Box<[Arc<str>]>,
}

impl Reach {
    pub(super) fn new(vpc_ids: &[At<VpcId>], every_vpc: bool, profiles: &[At<Arc<str>>]) -> Self {
        let mut ids: Vec<VpcId> = vpc_ids.iter().map(|id| id.value).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut profiles: Vec<Arc<str>> = profiles.iter().map(|id| id.value.clone()).collect();
        profiles.sort_unstable();
        profiles.dedup();
        Self { vpc_ids: ids.into(), every_vpc, profiles: profiles.into() }
    }

    /// Whether this VPC is named.
    pub fn names(&self, vpc: VpcId) -> bool {
        self.vpc_ids.binary_search(&vpc).is_ok()
    }

    /// Whether this Profile shares it.
    pub fn is_shared_by(&self, profile: &Profile) -> bool {
        self.profiles.contains(&profile.id)
    }

    /// Whether one VPC or one Profile would have both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.vpc_ids.iter().any(|id| other.names(*id)) || self.profiles.iter().any(|id| other.profiles.contains(id))
    }
}
