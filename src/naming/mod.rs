//! Names: ids, domain names, and the rules by which AWS makes the one out of the other.
//!
//! Pure: knows no file, no clock and no model.

mod catalogue;
mod catalogue_data;
mod evidence;
mod geography;
mod hostname;
mod id;
mod known_region;
mod partition;
mod region;
mod service;
mod service_name;
mod shape;
mod special;

pub use catalogue::{is_known, is_offered, nearest_service, resolve, resolve_with, services};
pub use evidence::{CatalogueNames, Evidence};
pub use geography::{Geography, geography_of};
pub use hostname::{
    EndpointNames, HostLabel, Suffix, SuffixError, endpoint_names, hidden_zone_id, leading_id, parse_label, regional,
    zonal,
};
pub use id::{EndpointId, IdError, InterfaceId, SubnetId, VpcId};
pub use known_region::{KnownRegion, is_known_region, known_region, known_regions, public_hosted_zone_id};
pub use partition::{
    COMMON_SERVICE_PREFIX, PARTITIONS, Partition, instance_zone, is_endpoint_suffix, partition_of, public_instance_zone,
};
pub use region::{as_region, nearest_region, parse_region};
pub use service::Service;
pub use service_name::{Region, ServiceName, ServiceNameError, ZoneName};
pub use special::{Special, SpecialAnswer, is_near_special, reverse_octet, special, special_of};
