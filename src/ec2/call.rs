//! What an action is given, and what it gives back.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use super::ApiSettings;
use super::error::ApiError;
use super::params::Params;
use super::record;
use super::state::{ApiState, Edit};
use super::time::{UnixMillis, iso8601};
use super::xml::Xml;
use crate::model::{Key, Model};
use crate::naming::{Region, SubnetId, VpcId, partition_of};
use crate::problem::Place;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account, twelve digits.
    pub account: String,
    /// The region that the call is for: that of its credential scope.
    pub region: Region,
    /// Whether the caller may choose the ids of what it makes.
    pub chooses_ids: bool,
}

/// A call, and what there is when it comes.
pub struct Call<'a> {
    /// What the API owns.
    pub state: &'a ApiState,
    /// What there is in all: what files declare is in it too.
    pub model: &'a Model,
    /// Who calls.
    pub caller: &'a Caller,
    /// When it came.
    pub now: UnixMillis,
    /// The settings of the API.
    pub settings: &'a ApiSettings,
    /// `ClientToken`, for actions that take one.
    pub client_token: Option<String>,
    /// Where an object was written; knows nothing where an action only reads.
    pub place_of: &'a dyn Fn(&Key) -> Option<Place>,
}

/// What an action comes to.
#[derive(Default)]
pub struct Done {
    /// What it changes; empty where it only reads.
    pub edit: Edit,
    /// What it answers once that is durable and being served.
    pub answer: Xml,
}

impl Done {
    /// A change that is answered with `<return>true</return>`.
    pub fn changed(edit: Edit) -> Self {
        let mut answer = Xml::new();
        answer.text("return", true);
        Self { edit, answer }
    }
}

/// An action of the API.
#[derive(Clone, Copy)]
pub struct Action {
    /// Its name.
    pub name: &'static str,
    /// Whether it can change anything. Those that can run one after the other.
    pub writes: bool,
    /// Whether it takes a `ClientToken`.
    pub idempotent: bool,
    /// Checks the call and says what it comes to; changes nothing itself.
    pub run: fn(&Call<'_>, &mut Params) -> Result<Done, ApiError>,
}

impl Call<'_> {
    /// The VPC with this id, out of the API's records or out of files.
    pub fn vpc(&self, id: VpcId) -> Option<Cow<'_, record::VpcRecord>> {
        if let Some(vpc) = self.state.vpc(id) {
            return Some(Cow::Borrowed(vpc));
        }
        let vpc = self.model.vpc(id)?;
        Some(Cow::Owned(record::VpcRecord {
            id,
            owner: self.caller.account.clone(),
            region: vpc.region.clone(),
            cidr_blocks: vpc.cidr_blocks.clone(),
            ipv6_origins: Vec::new(),
            enable_dns_support: vpc.enable_dns_support,
            enable_dns_hostnames: vpc.enable_dns_hostnames,
            enable_network_address_usage_metrics: false,
            instance_tenancy: "default".to_owned(),
            is_default: false,
            resolver: record::VpcResolverConfig {
                autodefined_reverse: vpc.autodefined_reverse,
                dnssec_validation: vpc.dnssec_validation,
            },
            listeners: vpc.listeners.clone(),
            clients: vpc.clients.clone(),
            tags: record::Tags::new(),
        }))
    }

    /// Whether the caller's account sees what `owner` made: accounts see their own objects, and what files declare.
    pub fn sees(&self, owner: &str) -> bool {
        owner == self.caller.account
    }

    /// Every VPC of the caller's account and region.
    pub fn vpcs(&self) -> impl Iterator<Item = Cow<'_, record::VpcRecord>> {
        let here = |vpc: &Cow<'_, record::VpcRecord>| vpc.region == self.caller.region && self.sees(&vpc.owner);
        self.model.vpcs().into_iter().filter_map(|vpc| self.vpc(vpc.vpc_id)).filter(here)
    }

    /// The VPC that a call names, or EC2's error for one that is not there.
    pub fn need_vpc(&self, id: &str) -> Result<Cow<'_, record::VpcRecord>, ApiError> {
        self.vpc(parse_id(id, "InvalidVpcID.Malformed", VpcId::PREFIX)?)
            .filter(|vpc| vpc.region == self.caller.region && self.sees(&vpc.owner))
            .ok_or_else(|| ApiError::not_found(VpcId::PREFIX, id))
    }

    /// The subnet with this id, out of the API's records or out of files.
    pub fn subnet(&self, id: SubnetId) -> Option<Cow<'_, record::SubnetRecord>> {
        if let Some(subnet) = self.state.subnet(id) {
            return Some(Cow::Borrowed(subnet));
        }
        let subnet = self.model.subnet(id)?;
        Some(Cow::Owned(record::SubnetRecord {
            id,
            owner: self.caller.account.clone(),
            vpc: subnet.vpc_id,
            zone: subnet.zone.clone(),
            cidr_blocks: subnet.cidr_blocks.clone(),
            default_for_zone: false,
            attributes: record::SubnetAttributes::default(),
            tags: record::Tags::new(),
        }))
    }

    /// Whether what is in a VPC is in the caller's region. Of a VPC that has gone from the files nothing is known: what is
    /// in it is in every region, so that it can be listed and deleted.
    pub fn is_here(&self, vpc: VpcId) -> bool {
        self.model.vpc(vpc).is_none_or(|vpc| vpc.region == self.caller.region)
    }

    /// Whether a subnet is of the caller's account and region.
    pub fn lists_subnet(&self, subnet: &record::SubnetRecord) -> bool {
        self.sees(&subnet.owner) && self.is_here(subnet.vpc)
    }

    /// The subnet that a call names, or EC2's error for one that is not there.
    pub fn need_subnet(&self, id: &str) -> Result<Cow<'_, record::SubnetRecord>, ApiError> {
        self.subnet(parse_id(id, "InvalidSubnetId.Malformed", SubnetId::PREFIX)?)
            .filter(|subnet| self.lists_subnet(subnet))
            .ok_or_else(|| ApiError::not_found(SubnetId::PREFIX, id))
    }

    /// An error if a file declares the object: what is written by hand is changed by hand.
    pub fn owned(&self, key: &Key, id: impl Display) -> Result<(), ApiError> {
        match (self.place_of)(key) {
            Some(place) if place != super::dns::place() => Err(ApiError::new(
                "OperationNotPermitted",
                format!("{id} is declared at {place}: change it there, the API only reads it"),
            )),
            _ => Ok(()),
        }
    }
}

/// An id of a call, or EC2's error for a malformed one.
pub fn parse_id<T: FromStr>(text: &str, malformed: &'static str, prefix: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::malformed_id(malformed, prefix, text))
}

/// The ARN of something of the call's region that `owner` has: `arn:aws:ec2:us-east-1:123456789012:subnet/subnet-...`.
pub fn region_arn(call: &Call<'_>, owner: &str, kind: &str, id: &str) -> String {
    let region = &call.caller.region;
    format!("arn:{}:ec2:{region}:{owner}:{kind}/{id}", partition_of(region).name)
}

/// An id made of a name: the same for ever.
pub fn id_of_name(prefix: &str, name: &str) -> String {
    // FNV-1a
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
    format!("{prefix}0{hash:016x}")
}

/// A new id: `prefix`, a zero as EC2's begin with these days, and 16 random hex digits.
pub fn new_id(prefix: &str) -> String {
    format!("{prefix}0{:016x}", rand::random::<u64>())
}

/// `2026-11-25T20:14:41.240Z`
pub fn timestamp(at: UnixMillis) -> String {
    iso8601(at.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ids_are_ids() {
        assert!(new_id("vpc-").parse::<VpcId>().is_ok());
        assert_ne!(new_id("vpc-"), new_id("vpc-"));
    }
}
