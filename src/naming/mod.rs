//! Names: ids, domain names, and the rules by which AWS makes the one out of the other.
//!
//! Pure: knows no file, no clock and no model.

mod catalogue;
mod catalogue_data;
mod hostname;
mod id;
mod name;
mod name_set;
mod partition;
mod service;
mod shape;
mod special;

pub use catalogue::{CatalogueNames, Evidence, is_known, is_offered, nearest_service, resolve, resolve_with, services};
pub use hostname::{
    EndpointNames, HostLabel, Suffix, SuffixError, endpoint_names, hidden_zone_id, parse_label, regional, zonal,
};
pub use id::{EndpointId, IdError, InterfaceId, SubnetId, VpcId};
pub use name::{DnsName, MAX_LABEL, MAX_NAME, NameError, labels, write_wire};
pub use name_set::NameSet;
pub use partition::{
    COMMON_SERVICE_PREFIX, PARTITIONS, Partition, instance_zone, is_endpoint_suffix, known_regions, partition_of,
    public_hosted_zone_id, public_instance_zone,
};
pub use service::{Region, Service, ServiceName, ServiceNameError, ZoneName};
pub use special::{Answer as SpecialAnswer, Special, is_near_special, reverse_octet, special, special_of};
