//! The unmodified output of `aws ec2 describe-*`, several files and pages joined by the ids in them.
//!
//! ```text
//! outputs    one file   -> what it holds, by kind
//! network    an item    -> Vpc, Attributes, Subnet, Interface, Instance
//! endpoint   an item    -> Endpoint, Service
//! lattice    an item    -> Association, NetworkEndpoint; associations: what they make together
//! route53    Route 53's outputs -> zones, rules; records: a page of a zone's records; record_pages: all of them;
//!            profiles: what VPCs share; az_affinity: records for clients in a zone
//! hosts      interfaces that are no endpoint's -> inputs of the model
//! views      several views of one object -> the one that holds
//! join       all kinds  -> inputs of the model; vpcs and subnets are its parts
//! ```
//!
//! Knows botocore's member names (API version 2016-11-15), from the shapes of 2017 to those of 2026. Unknown members
//! are ignored, since AWS adds some every month; unknown values of known members are warnings for the same reason.

mod associations;
mod az_affinity;
mod endpoint;
mod hosts;
mod join;
mod known;
mod lattice;
mod network;
mod outputs;
mod private_zones;
mod profiles;
mod record_pages;
mod records;
mod resolver_endpoints;
mod route53;
mod subnets;
mod views;
mod vpcs;
mod zones;

use super::parallel::in_parallel;
use super::{Declared, FileText};
use crate::dns::Rtype;
use crate::model::{Input, RdataError};
use crate::problem::Place;

use az_affinity::VpcZones;
use outputs::Outputs;

/// What all of `files` hold together; where two say otherwise of one object, the later one by path holds.
pub(super) fn read(files: &[FileText]) -> Declared {
    let mut by_path: Vec<&FileText> = files.iter().collect();
    by_path.sort_by(|a, b| a.path.cmp(&b.path));
    let numbered: Vec<_> = by_path.into_iter().zip(0u32..).collect();
    let outputs = in_parallel(&numbered, |(file, number)| outputs::read(file, *number));
    join::join(outputs.into_iter().fold(Outputs::default(), Outputs::merge))
}

/// What outputs of Route 53 tell, for all VPCs in them, whatever else there is. What cannot be read is left out: whoever
/// wrote it has looked.
pub(super) fn route53(outputs: &str, place: &Place) -> Vec<Input> {
    let file = FileText { path: place.file.clone(), text: outputs.to_owned() };
    let Outputs { route53, .. } = outputs::read(&file, 0);
    let of_zones = route53.zones.iter().filter_map(|zone| zone.vpcs.as_ref()).flatten().map(|(id, _)| *id);
    let vpcs = of_zones.chain(route53.associations.iter().map(|(_, vpc)| *vpc)).collect();
    let mut joined = Declared::default();
    private_zones::join(route53, &vpcs, None, &VpcZones::default(), &mut joined);
    joined.inputs.into_iter().map(|input| Input { place: place.clone(), ..input }).collect()
}

/// See [`records::parse_value`].
pub(super) fn record_value(rtype: Rtype, value: &str) -> Result<Box<[u8]>, RdataError> {
    records::parse_value(rtype, value)
}
